import type { TieredSearchResult } from '../../src/search/tiers/tiers.js';
import { withRedis } from '../queue/support/redis.js';
import { referencePaths } from '../queue/support/reference.js';
import { itShared } from '../support/shared.js';
import { FILES, taskOf, walk } from './reference-walk.js';

describe("the tiered search on real data walks the PyTorch reference's path", function () {
  this.timeout(600_000);
  const walked: { a1?: TieredSearchResult; b1?: TieredSearchResult } = {};

  itShared('case a1: SST-2, all 1,000 sentences', FILES.a1, async (model, data, words) => {
    walked.a1 = await walk('a1', model, await taskOf('a1', data, words));
  });
  itShared('case b1: WikiText-2 valid, 16,384 tokens', FILES.b1, async (model, data, words) => {
    walked.b1 = await walk('b1', model, await taskOf('b1', data, words));
  });

  describe('over a queue, bit for bit', () => {
    const redis = withRedis();

    // Each path once with several; all counts of both are in the soak.
    for (const [name, counts] of [
      ['a1', [1, 3]],
      ['b1', [2]],
    ] as const)
      itShared(`case ${name}, worker processes: ${counts.join(' and ')}`, FILES[name], async () => {
        await referencePaths(redis(), name, counts, walked[name]);
      });
  });
});
