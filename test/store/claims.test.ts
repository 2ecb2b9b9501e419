import assert from 'node:assert/strict';
import { join } from 'node:path';
import { openStore } from '../../src/store/index.js';
import { Claims } from '../../src/store/sqlite/claims.js';
import { Connection } from '../../src/store/sqlite/connection.js';
import { livenessOf, thisProcess, type Owner } from '../../src/store/sqlite/owner.js';
import { accuracyOf, inFolder, keyOf } from './support.js';

/** Above the largest process id of any Linux (2^22), so no process has it. */
const NO_PROCESS = 2 ** 22 + 1;
const elsewhere: Owner = { ...thisProcess(), scope: 'another host' };

describe('store/owner', () => {
  it('tells living, dead and unknown processes apart', () => {
    const here = thisProcess();
    assert.equal(livenessOf(here), here.started === null ? 'unknown' : 'alive');
    assert.equal(livenessOf({ ...here, pid: NO_PROCESS }), 'dead');
    assert.equal(livenessOf({ ...here, started: 'an earlier boot 1' }), 'dead');
    assert.equal(livenessOf({ ...here, started: null }), 'unknown');
    assert.equal(livenessOf({ ...elsewhere, pid: NO_PROCESS }), 'unknown');
  });
});

describe('store/claims', () => {
  const withClaims = (work: (claims: (owner: Owner) => Claims, connection: Connection) => void) =>
    inFolder(async (folder) => {
      const path = join(folder, 'm.sqlite');
      (await openStore(path)).close();
      const connection = await Connection.open(path, 0);
      const made: Claims[] = [];
      work((owner) => {
        const claims = new Claims(connection, owner);
        made.push(claims);
        return claims;
      }, connection);
      for (const claims of made) claims.releaseAll();
      connection.close();
    });
  const age = (connection: Connection, ms: number) => {
    connection.run('UPDATE claims SET heartbeat_at = heartbeat_at + ?', [-ms]);
  };

  it('belong to one at a time', () =>
    withClaims((claims) => {
      const [one, two] = [claims(thisProcess()), claims(thisProcess())];
      assert.equal(one.take('k'), undefined);
      assert.equal(two.take('k')?.pid, process.pid);
      assert.equal(two.take('other'), undefined);
      two.release('k');
      assert.equal(two.take('k')?.pid, process.pid, 'released what another holds');
      one.release('k');
      assert.equal(two.take('k'), undefined);
    }));

  it('of a dead process count for nothing', () =>
    withClaims((claims) => {
      claims({ ...thisProcess(), pid: NO_PROCESS }).take('k');
      assert.equal(claims(thisProcess()).take('k'), undefined);
    }));

  it('of a living process last ten minutes without a heartbeat', () =>
    withClaims((claims, connection) => {
      claims(thisProcess()).take('k');
      const other = claims(thisProcess());
      age(connection, 500_000);
      assert.equal(other.take('k')?.pid, process.pid);
      age(connection, 200_000);
      assert.equal(other.take('k'), undefined);
    }));

  it('of a process nobody can look up last a minute, a clock set back included', () =>
    withClaims((claims, connection) => {
      const other = claims(thisProcess());
      for (const direction of [1, -1]) {
        claims(elsewhere).take('k');
        age(connection, 50_000 * direction);
        assert.equal(other.take('k')?.scope, 'another host');
        age(connection, 20_000 * direction);
        assert.equal(other.take('k'), undefined);
        other.release('k');
      }
    }));

  it('that cannot be read count for nothing', () =>
    withClaims((claims, connection) => {
      claims(thisProcess()).take('k');
      connection.exec("UPDATE claims SET owner = x'ff00'");
      assert.equal(claims(thisProcess()).take('k'), undefined);
    }));

  it('go when the store is closed', () =>
    inFolder(async (folder) => {
      const path = join(folder, 'm.sqlite');
      const [one, two] = [await openStore(path), await openStore(path)];
      const abandoned = one.getOrMeasure(keyOf('a'), () => new Promise(() => undefined));
      assert.ok(abandoned instanceof Promise);
      one.close();
      const measure = () => Promise.resolve({ measurement: accuracyOf(1) });
      assert.equal((await two.getOrMeasure(keyOf('a'), measure)).fresh, true);
      two.close();
    }));
});
