/** The operating system's codes in words for the person who chose the path. */
const REASONS: Readonly<Record<string, string | undefined>> = {
  ENOENT: 'there is no such file',
  EISDIR: 'the path is a folder',
  ENOTDIR: 'a part of the path is a file, not a folder',
  EEXIST: 'a part of the path is a file, not a folder',
  EACCES: 'no permission',
  EPERM: 'no permission',
  EROFS: 'the file system is read-only',
  ENOSPC: 'no space left on the disk',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'the file would exceed the size limit',
  EIO: 'the disk failed',
  EMFILE: 'too many files are open',
  ENFILE: 'too many files are open',
  ELOOP: 'a link that leads to itself',
  ENAMETOOLONG: 'the path is too long',
  EBADF: 'the file is closed',
};

/** The operating system's code of an error; undefined for one that is not its. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}

/** A code in words; undefined for one without. */
export function reasonOf(code: string): string | undefined {
  return REASONS[code];
}

/** "ENOENT (there is no such file)"; all of an error that is not the operating system's. */
export function systemReason(error: unknown): string {
  const code = systemCode(error);
  if (code === undefined) return String(error);
  const reason = reasonOf(code);
  return reason === undefined ? code : `${code} (${reason})`;
}
