import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/*
 * A hub of a few files that speaks the public one's endpoints: revision info, tree with pages, and resolve,
 * which redirects large files to another origin (here another port) and knows ranges.
 */

/** A repository of the server: path → content. */
export interface ServedRepository {
  readonly kind: 'model' | 'dataset';
  readonly name: string;
  readonly commit: string;
  readonly files: Readonly<Record<string, Uint8Array>>;
  /** A token that must come with requests. */
  readonly token?: string;
}

/** A request as a test sees it. */
export interface SeenRequest {
  readonly path: string;
  /** First byte asked for. */
  readonly from: number;
  readonly authorization: string | undefined;
  /** The server of large files. */
  readonly storage: boolean;
}

/** A fault to answer with; undefined to answer as asked. */
export type Fault = (request: SeenRequest) =>
  | {
      readonly status?: number;
      readonly headers?: Readonly<Record<string, string>>;
      /** Bytes of the content that still come before the connection breaks. */
      readonly breakAfter?: number;
      /** Bytes of the content that still come before nothing more does. */
      readonly stallAfter?: number;
      /** In place of the content. */
      readonly content?: Uint8Array;
      /** Serve all of the file, whatever part was asked for. */
      readonly ignoreRange?: boolean;
      /** Kept open, without an answer, until it resolves. */
      readonly hold?: Promise<void>;
    }
  | undefined;

/** Files above this size are LFS files, as everything of weight is on the public hub. */
const LFS_BYTES = 10_000;

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const gitSha1 = (bytes: Uint8Array): string =>
  createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');

export class HubServer {
  readonly seen: SeenRequest[] = [];
  fault: Fault = () => undefined;
  /** Entries of a page of the tree. */
  pageSize = 2;

  private constructor(
    private readonly repositories: readonly ServedRepository[],
    private readonly main: Server,
    private readonly storage: Server,
  ) {}

  static async start(repositories: readonly ServedRepository[]): Promise<HubServer> {
    const [main, storage] = [createServer(), createServer()];
    const hub = new HubServer(repositories, main, storage);
    main.on('request', (request, response) => void hub.answer(request, response, false));
    storage.on('request', (request, response) => void hub.answer(request, response, true));
    for (const server of [main, storage])
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return hub;
  }

  get endpoint(): string {
    return addressOf(this.main);
  }

  /** Requests for the content of files beyond the first byte, which only asks for the size. */
  downloads(path: string): SeenRequest[] {
    return this.seen.filter((each) => each.storage && each.path.endsWith(path));
  }

  async stop(): Promise<void> {
    for (const server of [this.main, this.storage]) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  private async answer(
    request: IncomingMessage,
    response: ServerResponse,
    storage: boolean,
  ): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://hub');
    const path = decodeURIComponent(url.pathname);
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
    const { authorization } = request.headers;
    const seen: SeenRequest = { path, from: Number(range?.[1] ?? 0), authorization, storage };
    // The question for the size is none for the content.
    const probe = request.headers.range === 'bytes=0-0';
    if (!probe) this.seen.push(seen);
    const fault = probe ? undefined : this.fault(seen);
    await fault?.hold;
    if (fault?.status !== undefined) {
      response.writeHead(fault.status, fault.headers).end();
      return;
    }
    const found = this.find(path);
    if (found === undefined) {
      response.writeHead(404, { 'x-error-code': 'RepoNotFound' }).end();
      return;
    }
    const { repository, rest } = found;
    if (
      repository.token !== undefined &&
      !storage &&
      authorization !== `Bearer ${repository.token}`
    ) {
      response.writeHead(401).end();
      return;
    }
    const [verb, revision, ...parts] = rest.split('/');
    if (!['main', 'v1', repository.commit].includes(revision)) {
      response.writeHead(404, { 'x-error-code': 'RevisionNotFound' }).end();
      return;
    }
    if (verb === 'revision') json(response, infoOf(repository));
    else if (verb === 'tree') this.tree(response, repository, url);
    else this.resolve(request, response, repository, parts.join('/'), storage, fault);
  }

  private find(path: string): { repository: ServedRepository; rest: string } | undefined {
    for (const repository of this.repositories) {
      const { kind, name } = repository;
      const starts = [`/api/${kind}s/${name}/`, `${kind === 'model' ? '' : '/datasets'}/${name}/`];
      const start = starts.find((each) => path.startsWith(each));
      if (start !== undefined) return { repository, rest: path.slice(start.length) };
    }
    return undefined;
  }

  private tree(response: ServerResponse, repository: ServedRepository, url: URL): void {
    const entries = Object.entries(repository.files).map(([path, bytes]) => ({
      type: 'file',
      path,
      oid: bytes.length > LFS_BYTES ? '0'.repeat(40) : gitSha1(bytes),
      size: bytes.length,
      ...(bytes.length > LFS_BYTES && {
        lfs: { oid: sha256(bytes), size: bytes.length, pointerSize: 134 },
      }),
    }));
    const folders = [...new Set(entries.map(({ path }) => path.split('/')[0]))]
      .filter((name) => !(name in repository.files))
      .map((path) => ({ type: 'directory', path, oid: 'f'.repeat(40), size: 0 }));
    const all = [...folders, ...entries];
    const page = Number(url.searchParams.get('cursor') ?? 0);
    const slice = all.slice(page, page + this.pageSize);
    if (page + this.pageSize < all.length) {
      const next = new URL(url.pathname + url.search, this.endpoint);
      next.searchParams.set('cursor', String(page + this.pageSize));
      response.setHeader('link', `<${next.href}>; rel="next"`);
    }
    json(response, slice);
  }

  private resolve(
    request: IncomingMessage,
    response: ServerResponse,
    { commit, files }: ServedRepository,
    path: string,
    storage: boolean,
    fault: ReturnType<Fault>,
  ): void {
    const original = files[path] as Uint8Array | undefined;
    if (original === undefined) {
      response.writeHead(404, { 'x-error-code': 'EntryNotFound' }).end();
      return;
    }
    response.setHeader('x-repo-commit', commit);
    if (!storage && original.length > LFS_BYTES) {
      response.setHeader('x-linked-size', original.length);
      response.setHeader('x-linked-etag', `"${sha256(original)}"`);
      response.writeHead(302, { location: `${addressOf(this.storage)}${request.url}` }).end();
      return;
    }
    const content = fault?.content ?? original;
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
    const from = fault?.ignoreRange ? 0 : Number(range?.[1] ?? 0);
    const to = range?.[2] && !fault?.ignoreRange ? Number(range[2]) + 1 : content.length;
    const part = content.subarray(from, to);
    response.setHeader('etag', `"${sha256(original).slice(0, 32)}"`);
    response.setHeader('content-length', part.length);
    if (range !== null && !fault?.ignoreRange) {
      response.setHeader('content-range', `bytes ${from}-${to - 1}/${content.length}`);
      response.writeHead(206);
    }
    if (fault?.stallAfter !== undefined) {
      response.write(part.subarray(0, fault.stallAfter));
      return;
    }
    if (fault?.breakAfter === undefined) {
      response.end(part);
      return;
    }
    response.write(part.subarray(0, fault.breakAfter), () => {
      response.socket?.destroy();
    });
  }
}

function infoOf({ name, commit }: ServedRepository): object {
  return {
    _id: '0',
    id: name,
    sha: commit,
    private: false,
    downloads: 1,
    likes: 0,
    gated: false,
    lastModified: '2024-01-01T00:00:00.000Z',
  };
}

function json(response: ServerResponse, value: object): void {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(value));
}

function addressOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
