import type { SearchSettings } from '../experiment/runs/search-settings.js';

type Named = Partial<Pick<SearchSettings, 'case' | 'method' | 'pace' | 'quantizer'>>;

/** A further search in a legend: its case, and how it differs from the first, as far as that is known. */
export function searchName(settings: Named = {}, first: Named = {}): string {
  const { case: name, quantizer } = settings;
  const how = howOf(settings);
  const words = [
    name,
    how === howOf(first) ? undefined : how,
    quantizer === first.quantizer ? undefined : quantizer,
  ].filter((word) => word !== undefined);
  return words.join(', ') || how || 'search';
}

function howOf({ method, pace }: Named): string | undefined {
  return method === 'tiered' ? pace : method;
}
