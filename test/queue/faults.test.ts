import { temporaryFolder } from '../checkpoint/support/temporary.js';
import { FAULTS, searchThrough, type Place } from './support/faults.js';
import { toyPlace } from './support/place.js';
import { withRedis } from './support/redis.js';

/** Of `npm run soak:queue`, those that are over soon, once each. */
const SHORT = /asked to end|killed and starts again|loses everything/;

describe('a search over a queue comes through', function () {
  this.timeout(120_000);
  const redis = withRedis();
  const at = temporaryFolder();
  let place: Omit<Place, 'redis'>;
  before(async () => {
    place = await toyPlace(at('.'), 'perplexity');
  });

  for (const fault of FAULTS.filter(({ name }) => SHORT.test(name)))
    it(fault.name, async () => {
      await searchThrough({ redis: redis(), ...place }, fault);
    });
});
