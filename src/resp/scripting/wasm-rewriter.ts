// Rewrites a WebAssembly module so that its host can stop it at any time: a counter goes down by one at
// the start of each round of each loop, and the module calls an import of the host when it is below 0.
// The host sets the counter again, or throws and ends the call. A count of rounds bounds library
// functions too, such as string.find, which a hook of the interpreter does not see.
//
//   loop                                   loop
//     body            becomes                counter -= 1; if (counter < 0) check()
//   end                                      body
//                                          end
//
// The host also decides how much of its memory the module uses: memory.size becomes the value of a global,
// and an allocator that finds too little asks the host for more. The memory itself is allocated whole and
// never moves, but becomes resident only as it is used.
//
// The rewriter knows the instructions of WebAssembly 1.0 with sign extension and bulk memory, and throws
// at any other. Format: WebAssembly Core Specification 1.0, section 5 (binary format).
// Typed arrays: indexes are in range by construction.

export interface Rewriting {
  /** Functions to export beside the module's own exports: their names and indexes. */
  readonly functions: Readonly<Record<string, number>>;
  /** Name of the import without parameters and results that the module calls when the counter is below 0. */
  readonly check: string;
  /** Export name of the counter, a mutable 32-bit global. */
  readonly counter: string;
  /** Export name of the number of pages that memory.size returns, a mutable 32-bit global. */
  readonly pages: string;
  /** Entries to add to the function table. */
  readonly tableEntries: number;
}

// Numbers of sections.
const IMPORTS = 2;
const TABLES = 4;
const GLOBALS = 6;
const EXPORTS = 7;
const CODE = 10;

const HEADER_BYTES = 8;
const FUNCTION = 0;
const TABLE = 1;
const MEMORY = 2;
const GLOBAL = 3;
const I32 = 0x7f;
const LOOP = 0x03;
const END = 0x0b;
const GLOBAL_GET = 0x23;
const GLOBAL_SET = 0x24;
const MEMORY_SIZE = 0x3f;
/** Bytes of memory.size with its operand. */
const MEMORY_SIZE_BYTES = 2;
/** Opcodes with the same kind of immediate operand. */
const BLOCKS: ReadonlySet<number> = new Set([0x02, LOOP, 0x04]);
const WITH_ONE_NUMBER: ReadonlySet<number> = new Set([
  ...[0x0c, 0x0d, 0x10, 0x20, 0x21, 0x22, 0x23, 0x24, 0x3f, 0x40, 0x41, 0x42],
]);
const PLAIN_FIRST = 0x45;
const PLAIN_LAST = 0xc4;
/** Immediate numbers of the opcodes 0xfc 0 to 11: saturating conversions, and bulk memory. */
const PREFIXED_NUMBERS = [0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 2, 1];

/** Returns the rewritten module. Throws Error if the module does not have the expected form. O(bytes). */
export function rewriteModule(module: Uint8Array, rewriting: Rewriting): Uint8Array {
  const reader = new Reader(module);
  reader.position = HEADER_BYTES;
  const out = new Writer(module.length * 2);
  out.copy(module, 0, HEADER_BYTES);
  let check = -1;
  let globals = 0;
  while (reader.position < module.length) {
    const id = reader.byte();
    const end = reader.number() + reader.position;
    const { position: start } = reader;
    if (id === IMPORTS) check = findImport(reader, rewriting.check);
    if (id === GLOBALS) globals = reader.number();
    reader.position = start;
    if (id === TABLES) out.section(id, (body) => growTable(reader, body, rewriting.tableEntries));
    else if (id === GLOBALS) out.section(id, (body) => addGlobals(reader, end, body));
    else if (id === EXPORTS)
      out.section(id, (body) => addExports(reader, end, body, rewriting, globals));
    else if (id === CODE) out.section(id, (body) => addChecks(reader, body, globals, check));
    else out.section(id, (body) => body.copy(module, start, end));
    reader.position = end;
  }
  return out.taken();
}

/** Returns a module that exports the imports "host" "0" to `count - 1`, functions from one i32 to one. */
export function relayModule(count: number): Uint8Array {
  const out = new Writer(64 + count * 24);
  out.bytesOf([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
  out.section(1, (body) => body.bytesOf([1, 0x60, 1, I32, 1, I32]));
  out.section(IMPORTS, (body) => {
    body.number(count);
    for (let n = 0; n < count; n++) {
      body.text("host");
      body.text(String(n));
      body.bytesOf([FUNCTION, 0]);
    }
  });
  out.section(EXPORTS, (body) => {
    body.number(count);
    for (let n = 0; n < count; n++) {
      body.text(String(n));
      body.bytesOf([FUNCTION]);
      body.number(n);
    }
  });
  return out.taken();
}

/** Returns the index of an imported function. */
function findImport(reader: Reader, name: string): number {
  let index = 0;
  for (let left = reader.number(); left > 0; left--) {
    reader.skipText();
    const found = reader.text();
    const kind = reader.byte();
    if (kind === FUNCTION) {
      if (found === name) return index;
      reader.number();
      index++;
    } else if (kind === TABLE || kind === MEMORY) {
      if (kind === TABLE) reader.byte();
      const hasMax = (reader.byte() & 1) === 1;
      reader.number();
      if (hasMax) reader.number();
    } else reader.position += 2;
  }
  throw new Error(`the module does not import "${name}"`);
}

/** Replaces the limits of the only table. */
function growTable(reader: Reader, body: Writer, entries: number): void {
  const count = reader.number();
  const type = reader.byte();
  reader.byte();
  if (count !== 1) throw new Error(`the module has ${count} tables instead of 1`);
  body.bytesOf([1, type, 0]);
  body.number(reader.number() + entries);
}

/** Adds the counter, and after it the number of pages. */
function addGlobals(reader: Reader, end: number, body: Writer): void {
  body.number(reader.number() + ADDED_GLOBALS);
  body.copy(reader.bytes, reader.position, end);
  for (let n = 0; n < ADDED_GLOBALS; n++) body.bytesOf([I32, 1, 0x41, 0, END]);
}
const ADDED_GLOBALS = 2;

function addExports(
  reader: Reader,
  end: number,
  body: Writer,
  { functions, counter, pages }: Rewriting,
  globals: number,
): void {
  const added = Object.entries(functions);
  body.number(reader.number() + added.length + ADDED_GLOBALS);
  body.copy(reader.bytes, reader.position, end);
  for (const [name, index] of added) {
    body.text(name);
    body.bytesOf([FUNCTION]);
    body.number(index);
  }
  for (const [n, name] of [counter, pages].entries()) {
    body.text(name);
    body.bytesOf([GLOBAL]);
    body.number(globals + n);
  }
}

/** Copies all functions, adds the check to the start of each loop, and replaces memory.size. */
function addChecks(reader: Reader, body: Writer, counter: number, check: number): void {
  const checking = new Writer(32);
  const global = (opcode: number): void => {
    checking.bytesOf([opcode]);
    checking.number(counter);
  };
  global(GLOBAL_GET);
  checking.bytesOf([0x41, 1, 0x6b]);
  global(GLOBAL_SET);
  global(GLOBAL_GET);
  checking.bytesOf([0x41, 0, 0x48, 0x04, 0x40, 0x10]);
  checking.number(check);
  checking.bytesOf([END]);
  const inLoop = checking.taken();
  const sizing = new Writer(8);
  sizing.bytesOf([GLOBAL_GET]);
  sizing.number(counter + 1);
  const forSize = sizing.taken();
  const count = reader.number();
  body.number(count);
  for (let left = count; left > 0; left--) {
    const end = reader.number() + reader.position;
    const { position: start } = reader;
    const places = placesIn(reader, end);
    const sizes = places.filter(({ isSize }) => isSize).length;
    const added = inLoop.length * (places.length - sizes);
    body.number(end - start + added + sizes * (forSize.length - MEMORY_SIZE_BYTES));
    let copied = start;
    for (const { at, isSize } of places) {
      body.copy(reader.bytes, copied, isSize ? at - MEMORY_SIZE_BYTES : at);
      const code = isSize ? forSize : inLoop;
      body.copy(code, 0, code.length);
      copied = at;
    }
    body.copy(reader.bytes, copied, end);
  }
}

interface Place {
  /** Position of the body of a loop, or behind memory.size. */
  readonly at: number;
  readonly isSize: boolean;
}

/** Returns the loops and the uses of memory.size of the function that ends at `end`. */
function placesIn(reader: Reader, end: number): Place[] {
  for (let groups = reader.number(); groups > 0; groups--) {
    reader.number();
    reader.byte();
  }
  const found: Place[] = [];
  while (reader.position < end) {
    const opcode = reader.byte();
    skipOperands(reader, opcode);
    const isSize = opcode === MEMORY_SIZE;
    if (isSize || opcode === LOOP) found.push({ at: reader.position, isSize });
  }
  return found;
}

function skipOperands(reader: Reader, opcode: number): void {
  if (opcode >= PLAIN_FIRST && opcode <= PLAIN_LAST) return;
  if (opcode <= 0x01 || opcode === 0x05 || opcode === END || opcode === 0x0f) return;
  if (opcode === 0x1a || opcode === 0x1b) return;
  if (BLOCKS.has(opcode) || WITH_ONE_NUMBER.has(opcode)) reader.skipNumbers(1);
  else if (opcode >= 0x28 && opcode <= 0x3e) reader.skipNumbers(2);
  else if (opcode === 0x11) reader.skipNumbers(2);
  else if (opcode === 0x0e) reader.skipNumbers(reader.number() + 1);
  else if (opcode === 0x43) reader.position += 4;
  else if (opcode === 0x44) reader.position += 8;
  else if (opcode === 0xfc) {
    const prefixed = reader.number();
    const numbers = PREFIXED_NUMBERS[prefixed];
    if (numbers === undefined) throw new Error(`unknown instruction 0xfc ${prefixed}`);
    reader.skipNumbers(numbers);
  } else throw new Error(`unknown instruction 0x${opcode.toString(16)}`);
}

class Reader {
  position = 0;
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  byte(): number {
    return this.bytes[this.position++]!;
  }

  /** Reads an unsigned number in LEB128. */
  number(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  }

  skipNumbers(count: number): void {
    for (let left = count; left > 0; left--) while (this.byte() >= 0x80);
  }

  text(): string {
    const length = this.number();
    this.position += length;
    return Buffer.from(this.bytes.subarray(this.position - length, this.position)).toString();
  }

  skipText(): void {
    const length = this.number();
    this.position += length;
  }
}

class Writer {
  #bytes: Uint8Array;
  #end = 0;

  constructor(capacity: number) {
    this.#bytes = new Uint8Array(capacity);
  }

  copy(from: Uint8Array, start: number, end: number): void {
    this.#reserve(end - start);
    this.#bytes.set(from.subarray(start, end), this.#end);
    this.#end += end - start;
  }

  bytesOf(values: readonly number[]): void {
    this.#reserve(values.length);
    for (const value of values) this.#bytes[this.#end++] = value;
  }

  /** Writes an unsigned number in LEB128. */
  number(value: number): void {
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.bytesOf([(rest % 0x80) | 0x80]);
    this.bytesOf([rest]);
  }

  text(text: string): void {
    this.number(text.length);
    this.bytesOf([...Buffer.from(text)]);
  }

  section(id: number, write: (body: Writer) => void): void {
    const body = new Writer(1024);
    write(body);
    const written = body.taken();
    this.bytesOf([id]);
    this.number(written.length);
    this.copy(written, 0, written.length);
  }

  taken(): Uint8Array {
    return this.#bytes.subarray(0, this.#end);
  }

  #reserve(bytes: number): void {
    if (this.#end + bytes <= this.#bytes.length) return;
    const grown = new Uint8Array((this.#end + bytes) * 2);
    grown.set(this.#bytes.subarray(0, this.#end));
    this.#bytes = grown;
  }
}
