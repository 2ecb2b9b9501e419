import { cpus } from 'node:os';

/** "AMD EPYC 7B13 × 2, linux x64, Node 22.1.0": what a measured time depends on. */
export function describeMachine(): string {
  const processors = cpus();
  const model = processors[0]?.model.trim() ?? 'unknown processor';
  const platform = `${process.platform} ${process.arch}`;
  return `${model} × ${processors.length}, ${platform}, Node ${process.versions.node}`;
}
