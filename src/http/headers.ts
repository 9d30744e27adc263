// Headers that each response has.

/**
 * `nosniff`: no browser takes a response for anything but JSON. `no-store`: without it, a shared cache
 * may give a 200, 404 or 405 to the next client too (RFC 9110 section 15.1).
 */
export const COMMON_HEADERS = { "x-content-type-options": "nosniff", "cache-control": "no-store" };
export const JSON_HEADERS = { "content-type": "application/json", ...COMMON_HEADERS };
