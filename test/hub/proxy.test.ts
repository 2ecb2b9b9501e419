import assert from 'node:assert/strict';
import { createServer, request, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { fetchModel } from '../../src/hub/models.js';
import { environment, temporaryHome } from './support/home.js';
import { HubServer, type ServedRepository } from './support/hub-server.js';

const MODEL: ServedRepository = {
  kind: 'model',
  name: 'some/model',
  commit: '0'.repeat(40),
  files: { 'model.pth': new Uint8Array(20_000) },
};

/** A proxy that passes on, by tunnel or by address, and counts. */
async function startProxy(): Promise<{ server: Server; passed: string[] }> {
  const passed: string[] = [];
  const server = createServer((incoming, outgoing) => {
    passed.push(incoming.url ?? '');
    const { method, headers } = incoming;
    const onward = request(incoming.url ?? '', { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(outgoing);
    });
    incoming.pipe(onward);
  });
  server.on('connect', (incoming, client) => {
    passed.push(incoming.url ?? '');
    const [host, port] = (incoming.url ?? '').split(':');
    const onward = connect(Number(port), host, () => {
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      onward.pipe(client);
      client.pipe(onward);
    });
    for (const [one, other] of [
      [client, onward],
      [onward, client],
    ])
      one.on('error', () => other.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, passed };
}

describe('hub: proxies', () => {
  const home = temporaryHome();
  const set = environment();
  let hub: HubServer;
  let proxy: Awaited<ReturnType<typeof startProxy>>;
  before(async () => {
    hub = await HubServer.start([MODEL]);
    proxy = await startProxy();
  });
  beforeEach(() => {
    proxy.passed.length = 0;
    const { port } = proxy.server.address() as AddressInfo;
    set({
      HF_ENDPOINT: hub.endpoint,
      QSLM_HOME: home.path(),
      HTTP_PROXY: `http://127.0.0.1:${port}`,
    });
  });
  after(async () => {
    await hub.stop();
    proxy.server.closeAllConnections();
    await new Promise((resolve) => proxy.server.close(resolve));
  });

  it('goes through the proxy of the environment', async () => {
    await fetchModel('some/model');
    assert.ok(proxy.passed.length > 0);
  });

  it('goes straight to what NO_PROXY names', async () => {
    set({ NO_PROXY: '127.0.0.1' });
    await fetchModel('some/model');
    assert.deepEqual(proxy.passed, []);
  });
});
