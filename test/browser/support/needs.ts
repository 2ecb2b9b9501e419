/**
 * Like `describe`, for tests that need a program or a file of the machine: says what is missing where
 * they cannot run. With QSLM_REQUIRE_BROWSER set, as where all was installed for them, that is a failure.
 *
 * @param missing undefined where all is there.
 */
export function describeWith(
  title: string,
  missing: string | undefined,
  body: (this: Mocha.Suite) => void,
  isRequired = process.env.QSLM_REQUIRE_BROWSER !== undefined,
): void {
  if (missing === undefined) {
    describe(title, body);
    return;
  }
  if (isRequired) {
    it(`${title}: cannot run`, () => {
      throw new Error(missing);
    });
    return;
  }
  it(`skipped: ${title} (${missing})`, function () {
    this.skip();
  });
}
