import assert from 'node:assert/strict';
import type { Locator } from 'playwright-core';

/** Fails unless the static picture of a figure is on the screen, and nothing interactive. */
export async function assertPicture(figure: Locator): Promise<void> {
  const picture = figure.locator('.static img');
  assert.ok(await picture.isVisible(), 'no picture is shown');
  const { width, height } = (await picture.boundingBox())!;
  assert.ok(width > 300 && height > 100, `the picture is ${width} × ${height}`);
  assert.match((await picture.getAttribute('src'))!, /^data:image\/svg\+xml;base64,/);
  assert.match((await picture.getAttribute('alt'))!, /.{30}/);
  assert.equal(await figure.locator('.interactive svg').count(), 0);
}
