import { write } from 'node:fs';
import { Writable } from 'node:stream';

/** Milliseconds until a pipe that is full is tried again. */
const RETRY_MS = 10;

/**
 * A standard stream of the process, written to by its number: from a thread, `process.stdout` would go through
 * the main one, which does not say what came of it. Failures come back through the callback of each write.
 */
export class DescriptorStream extends Writable {
  constructor(
    private readonly descriptor: number,
    readonly isTTY: boolean,
    /** Width of the terminal in characters, where it is one. */
    public columns: number | undefined,
  ) {
    // A listener for what nobody awaits: without one it would end the thread.
    super({ decodeStrings: true, emitClose: false, autoDestroy: false });
    this.on('error', () => undefined);
  }

  override _write(bytes: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    write(this.descriptor, bytes, (error, written) => {
      // A pipe that somebody else has set not to wait.
      if (error?.code === 'EAGAIN')
        setTimeout(() => {
          this._write(bytes, _encoding, done);
        }, RETRY_MS);
      else if (error !== null) done(error);
      else if (written < bytes.length) this._write(bytes.subarray(written), _encoding, done);
      else done();
    });
  }
}
