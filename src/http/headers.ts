// Headers that every response has.

/**
 * No browser takes an answer for anything but JSON, and no cache keeps one: without no-store, a
 * proxy may give a 200, 404 or 405 to the next client too (RFC 9110 section 15.1).
 */
export const COMMON_HEADERS = { "x-content-type-options": "nosniff", "cache-control": "no-store" };
export const JSON_HEADERS = { "content-type": "application/json", ...COMMON_HEADERS };
