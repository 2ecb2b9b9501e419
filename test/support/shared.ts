import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** Models, golden values and data sets that are not part of the package lie beside the checkout. */
const SHARED = resolve(__dirname, '../../../shared');

/** The path of a shared file, or undefined where it is missing (any clone but the developers'). */
export function sharedPath(relative: string): string | undefined {
  const path = join(SHARED, relative);
  return existsSync(path) ? path : undefined;
}

/** Like `it`, for tests that need shared files; says which one is missing where they cannot run. */
export function itShared(
  title: string,
  needs: readonly string[],
  test: (this: Mocha.Context, ...paths: string[]) => Promise<void> | void,
): void {
  const missing = needs.filter((need) => sharedPath(need) === undefined);
  if (missing.length > 0) {
    it(`skipped: ${title} (no ${missing.join(', ')} beside the checkout)`, function () {
      this.skip();
    });
    return;
  }
  it(title, function () {
    return test.apply(
      this,
      needs.map((need) => sharedPath(need)!),
    );
  });
}
