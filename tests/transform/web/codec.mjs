// Values with all their bits as JSON, both ways: how the tests speak with node and with the browser.

/** A Python value: {"i": "12"}, {"f": 16 hex digits}, {"l": [...]}, {"d": [[key, value], ...]}; the rest is itself. */
export function decode(value) {
  if (value === null || typeof value !== "object") return value;
  if ("i" in value) {
    const whole = BigInt(value.i);
    return Number.isSafeInteger(Number(whole)) ? Number(whole) : whole;
  }
  if ("f" in value) return new DataView(new BigUint64Array([BigInt(`0x${value.f}`)]).buffer).getFloat64(0, true);
  if ("l" in value) return value.l.map(decode);
  return Object.fromEntries(value.d.map(([key, inner]) => [key, decode(inner)]));
}

/** Arrays or tensors by name, numbers as little-endian hex digits. */
export function encode(arrays) {
  return Object.fromEntries(Object.entries(arrays).map(([name, { type, data, dims }]) => [name, [type, [...dims], plain(type, data)]]));
}

function plain(type, data) {
  if (type === "string") return [...data];
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}
