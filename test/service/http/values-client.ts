// A client of /cache/{key} for tests.

export interface Init {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
}

/** Returns the requests of a service by the path after /cache/. */
export function valuesOf(url: string) {
  const send = (path: string, init: Init = {}) => fetch(`${url}/cache/${path}`, init);
  const put = (path: string, body: string | Uint8Array<ArrayBuffer>, headers = {}) =>
    send(path, { method: "PUT", body, headers });
  return { send, put };
}

/** Returns the status of a response, and the message of its error. */
export async function errorOf(response: Response): Promise<(number | string)[]> {
  const { message } = (await response.json()) as { readonly message: string };
  return [response.status, message];
}
