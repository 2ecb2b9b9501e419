/** The end of a job: its value, or the reason why there is none. */
export type JobEnd =
  | { readonly kind: 'completed'; readonly value: unknown }
  | { readonly kind: 'failed'; readonly reason: string };

/** The jobs that are waited for, by id. */
export class Answers {
  private readonly waiting = new Map<string, (end: JobEnd) => void>();

  /** Resolves once the job ends, from whatever source that is heard first. */
  of(job: string): Promise<JobEnd> {
    return new Promise((resolve) => {
      this.waiting.set(job, resolve);
    });
  }

  completed(job: string, value: unknown): void {
    this.end(job, { kind: 'completed', value });
  }

  failed(job: string, reason: string): void {
    this.end(job, { kind: 'failed', reason });
  }

  forget(job: string): void {
    this.waiting.delete(job);
  }

  private end(job: string, end: JobEnd): void {
    this.waiting.get(job)?.(end);
    this.waiting.delete(job);
  }
}
