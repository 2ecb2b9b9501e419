/** The part of the JavaScript interface to WebAssembly that is used; Node's types leave it out. */
declare namespace WebAssembly {
  class Memory {
    constructor(descriptor: { readonly initial: number });
    readonly buffer: ArrayBuffer;
  }
  interface Module {
    readonly [Symbol.toStringTag]: string;
  }
  const Module: { new (code: Uint8Array): Module };
  class Instance {
    constructor(
      module: Module,
      imports: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
    );
    readonly exports: object;
  }
  function validate(code: Uint8Array): boolean;

  class CompileError extends Error {}
}
