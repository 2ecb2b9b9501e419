import { startWorker } from '../../../src/queue/start-worker.js';
import { SeatThread } from '../../../src/queue/worker/seat-thread.js';

/*
 * A worker with a fault, as a process: ODD=bits computes another canary, ODD=dies ends in every share, as one that
 * the system kills for its memory does.
 */
if (process.env['ODD'] === 'bits')
  SeatThread.prototype.canary = () => Promise.resolve('f'.repeat(64));
if (process.env['ODD'] === 'dies')
  SeatThread.prototype.score = () => {
    process.kill(process.pid, 'SIGKILL');
    return new Promise(() => undefined);
  };

const [, , url, models] = process.argv;
const tell = (text: string): void => {
  console.log(text);
};
void startWorker({ url, models, threads: 1, backend: 'wasm', tell }).then(() => {
  tell('waiting for work');
});
