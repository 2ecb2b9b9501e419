import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { codesPath, schemeId } from '../../quant/calibrated/codes-file.js';
import type { ResolvedPlan } from '../../quant/plan.js';
import { calibratedBy, type Scheme } from '../../quant/scheme/scheme.js';
import { sha256File } from '../../util/hash.js';
import type { FileServer } from '../files/file-server.js';
import type { CodesMessage } from '../protocol/messages.js';

/** The calibrated integers that plans need, as files that workers find by their hash or are handed. */
export class CodesFiles {
  /** By scheme. A file never changes: it is looked at once. */
  private readonly known = new Map<string, Promise<CodesMessage>>();

  /** @param calibration of the study; without one a worker refuses calibrated plans, as this process does. */
  constructor(
    private readonly calibration: string | undefined,
    private readonly files: FileServer | undefined,
  ) {}

  /** Those of a plan, which are there. */
  async of(plan: ResolvedPlan): Promise<readonly CodesMessage[]> {
    const { calibration } = this;
    if (calibration === undefined) return [];
    const schemes = new Map<string, Scheme>();
    for (const scheme of plan.values())
      if (calibratedBy(scheme) !== undefined) schemes.set(schemeId(scheme), scheme);
    return Promise.all(
      [...schemes].map(([id, scheme]) => {
        const found = this.known.get(id) ?? this.look(id, codesPath(calibration, scheme));
        this.known.set(id, found);
        found.catch(() => this.known.delete(id));
        return found;
      }),
    );
  }

  private async look(scheme: string, path: string): Promise<CodesMessage> {
    const [sha256, { size: bytes }] = await Promise.all([sha256File(path), stat(path)]);
    this.files?.offer({ sha256, path, bytes });
    return { scheme, sha256, bytes, name: `integers ${basename(path)}` };
  }
}
