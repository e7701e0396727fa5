// ISO 8601 text to microseconds since 1970 UTC, by the rules of Python's `datetime.fromisoformat`, but that a
// digit is no separator of date and time, and only seconds have a fraction.

const DATE = /^(?:(\d{4})-(\d\d)-(\d\d)|(\d{4})(\d\d)(\d\d)|(\d{4})-W(\d\d)(?:-(\d)(?!\d))?|(\d{4})W(\d\d)(\d)?)/;
const CLOCK = String.raw`(\d\d)(?::(\d\d)(?::(\d\d)(?:[.,](\d+))?)?|(\d\d)(?:(\d\d)(?:[.,](\d+))?)?)?`;
const TIME = new RegExp(`^${CLOCK}(?:(Z)|([+-])${CLOCK})?$`);
const DAY = 86400000000n;

/** Microseconds as a BigInt; null where the text is no time. */
export function microseconds(text) {
  const date = DATE.exec(text);
  if (date === null) return null;
  const days = dayOf(date);
  const rest = [...text.slice(date[0].length)];
  if (days === null) return null;
  if (rest.length === 0) return days * DAY;
  const time = TIME.exec(rest.slice(1).join(""));
  if (time === null) return null;
  const clock = clockOf(time.slice(1, 8));
  const zone = time[9] === undefined ? 0n : clockOf(time.slice(10, 17));
  if (clock === null || zone === null) return null;
  return days * DAY + clock - (time[9] === "-" ? -zone : zone);
}

/** Days since 1970 of a match of `DATE`; null for a date that there is not. */
function dayOf(found) {
  const [, y, m, d, year, month, day, ...week] = found;
  if (y !== undefined || year !== undefined) {
    return calendarDay(Number(y ?? year), Number(m ?? month), Number(d ?? day));
  }
  const [isoYear, number, weekday] = week[0] !== undefined ? week.slice(0, 3) : week.slice(3);
  return weekDay(Number(isoYear), Number(number), Number(weekday ?? 1));
}

function calendarDay(year, month, day) {
  const moment = new Date(0);
  moment.setUTCFullYear(year, month - 1, day);
  const real = year >= 1 && moment.getUTCMonth() === month - 1 && moment.getUTCDate() === day;
  return real ? BigInt(moment.getTime() / 86400000) : null;
}

function weekDay(year, week, day) {
  if (year < 1 || week < 1 || week > 53 || day < 1 || day > 7) return null;
  const first = firstMonday(year);
  if (week === 53 && first + 52n * 7n >= firstMonday(year + 1)) return null;
  const days = first + BigInt((week - 1) * 7 + day - 1);
  return days > 2932896n ? null : days; // the last day of 9999
}

/** The Monday of the week that holds 4 January. */
function firstMonday(year) {
  const moment = new Date(0);
  moment.setUTCFullYear(year, 0, 4);
  return BigInt(moment.getTime() / 86400000 - ((moment.getUTCDay() + 6) % 7));
}

/** Microseconds of a time of day; null beyond 23:59:59. Digits beyond the sixth are cut off. */
function clockOf([hour, minute, second, fraction, plainMinute, plainSecond, plainFraction]) {
  const [h, m, s] = [hour, minute ?? plainMinute ?? 0, second ?? plainSecond ?? 0].map(Number);
  if (h > 23 || m > 59 || s > 59) return null;
  const digits = (fraction ?? plainFraction ?? "").slice(0, 6).padEnd(6, "0");
  return BigInt((h * 60 + m) * 60 + s) * 1000000n + BigInt(digits);
}
