import { existsSync } from 'node:fs';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';

/** Debian's; CHROMIUM names another. */
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** Where there is no browser: what is missing. */
export const noChromium = existsSync(CHROMIUM) ? undefined : `no ${CHROMIUM} (or set CHROMIUM)`;

/** A browser that does nothing by itself: all that it asks of a network, a page has asked. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

let browser: Promise<Browser> | undefined;

/** One browser for all tests, each with a context of its own: no cookies, no cache. */
function openBrowser(): Promise<Browser> {
  // playwright makes a new folder for the user's data, and removes it.
  return (browser ??= chromium.launch({ executablePath: CHROMIUM, headless: true, args: FLAGS }));
}

after(async () => {
  await (await browser)?.close();
  browser = undefined;
});

/** Wide enough that no figure wraps. */
const VIEWPORT = { width: 1100, height: 900 };

/** For what a page has to show: most of it waits for the kernel, on a machine that may be busy. */
const TIMEOUT_MS = 180_000;

/** What a page may do. */
export interface PageRules {
  /** Prefixes of the addresses that it may load. */
  readonly allowed: readonly string[];
  /** Reports on the console that are another program's fault. */
  readonly ignored?: RegExp;
  readonly context?: BrowserContextOptions;
}

export interface OpenPage {
  readonly page: Page;
  /** Closes it. @throws where it asked for another address, reported an error, or threw one. */
  readonly close: () => Promise<void>;
}

export async function openPage(rules: PageRules): Promise<OpenPage> {
  const context = await (await openBrowser()).newContext({ viewport: VIEWPORT, ...rules.context });
  context.setDefaultTimeout(TIMEOUT_MS);
  const page = await context.newPage();
  const faults = watch(page, rules);
  const isAllowed = (url: string): boolean =>
    rules.allowed.some((prefix) => url.startsWith(prefix));
  await page.route(
    (url) => !isAllowed(url.href),
    (route) => route.abort(),
  );
  const close = async (): Promise<void> => {
    await context.close();
    if (faults.length > 0) throw new Error(`the page is at fault:\n${faults.join('\n')}`);
  };
  return { page, close };
}

/** Hands over a page, and fails at the end where it broke its rules. */
export async function withPage(
  rules: PageRules,
  use: (page: Page) => Promise<void>,
): Promise<void> {
  const { page, close } = await openPage(rules);
  try {
    await use(page);
  } catch (error) {
    // It comes before what the page has done on its account.
    await close().catch(() => undefined);
    throw error;
  }
  await close();
}

/** Fills as the page goes wrong. */
function watch(page: Page, { allowed, ignored }: PageRules): string[] {
  const faults: string[] = [];
  const local = ['data:', 'blob:', 'about:', ...allowed];
  const check = (url: string): void => {
    if (!local.some((prefix) => url.startsWith(prefix))) faults.push(`asked for ${url}`);
  };
  page.on('request', (request) => {
    check(request.url());
  });
  page.on('websocket', (socket) => {
    check(socket.url().replace(/^ws/, 'http'));
  });
  page.on('pageerror', (error) => {
    faults.push(`threw ${error.stack ?? error.message}`);
  });
  page.on('console', (message) => {
    const text = `${message.text()} (${message.location().url})`;
    if (message.type() === 'error' && ignored?.test(text) !== true) faults.push(`reported ${text}`);
  });
  return faults;
}
