import { itShared } from '../support/shared.js';
import { FILES, taskOf, walk } from './reference-walk.js';

describe("the tiered search on real data walks the PyTorch reference's path", function () {
  this.timeout(600_000);

  itShared('case a1: SST-2, all 1,000 sentences', FILES.a1, async (model, data, words) => {
    await walk('a1', model, await taskOf('a1', data, words));
  });
  itShared('case b1: WikiText-2 valid, 16,384 tokens', FILES.b1, async (model, data, words) => {
    await walk('b1', model, await taskOf('b1', data, words));
  });
});
