import Database from 'libsql';

/** What a store on disk holds of a search, by key: when each was put. Read past the package's own code. */
export interface StoreRows {
  readonly measurements: ReadonlyMap<string, string>;
  readonly verdicts: ReadonlyMap<string, string>;
}

export function storeRows(path: string): StoreRows {
  const database = new Database(path, { readonly: true });
  try {
    const rows = (sql: string): Map<string, string> =>
      new Map(
        (database.prepare(sql).all() as { id: string; created_at: string }[]).map((row) => [
          row.id,
          row.created_at,
        ]),
      );
    return {
      measurements: rows("SELECT id, created_at FROM measurements WHERE split = 'search'"),
      verdicts: rows('SELECT id, created_at FROM verdicts'),
    };
  } finally {
    database.close();
  }
}
