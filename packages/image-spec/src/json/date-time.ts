const grammar = /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.\d+)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

/** True for a time as RFC 3339, section 5.6, writes it: a day that there is, and no leap second, which Go does not read. */
export function isDateTime(text: string): boolean {
  if (text.length > 64) return false;
  const [, year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = (grammar.exec(text) ?? []).map(Number);
  const days = new Date(Date.UTC(2000 + (year % 400), month, 0)).getUTCDate();
  return month >= 1 && month <= 12 && day >= 1 && day <= days && hour <= 23 && minute <= 59 && second <= 59;
}
