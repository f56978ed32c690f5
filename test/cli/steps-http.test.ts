import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, LookupFunction } from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { isPublicAddress } from "../../src/cli/steps-address.ts";
import { type FetchedPage, type GetLimits, getPage } from "../../src/cli/steps-get.ts";
import { decodeText, readPage } from "../../src/cli/steps-text.ts";

let origin: string;
let port: number;
let answer: (request: IncomingMessage, response: ServerResponse) => void;
const asked: string[] = [];
const server = createServer((request, response) => {
  asked.push(`${request.headers.host?.split(":")[0]}${request.url}`);
  answer(request, response);
});

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  port = (server.address() as AddressInfo).port;
  origin = `http://127.0.0.1:${port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  asked.length = 0;
  answer = (_, response) => {
    response.writeHead(200, { "content-type": "text/plain" });
    response.end("hello");
  };
});

/** The machine's own address counts as public: only a test can say so. */
const LOCAL: GetLimits = { allow: (address) => address === "127.0.0.1" || isPublicAddress(address) };

function get(url: string, limits: GetLimits = LOCAL, maxBytes = 10_000): Promise<FetchedPage> {
  return getPage(url, { maxBytes, signal: new AbortController().signal }, limits);
}

function names(table: Readonly<Record<string, readonly string[]>>): LookupFunction {
  return ((hostname: string, _: unknown, callback: (...args: unknown[]) => void) => {
    const addresses = (table[hostname] ?? []).map((address) => ({
      address,
      family: address.includes(":") ? 6 : 4,
    }));
    callback(null, addresses);
  }) as LookupFunction;
}

const refusal = { code: "INVALID_INPUT", retryable: false };

describe("addresses", () => {
  test.each([
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::ffff:10.0.0.1",
    "::ffff:a9fe:a9fe",
    "::127.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "100::1",
    "5f00::1",
    "3fff::1",
    "not an address",
    "",
    "localhost",
  ])("%s is closed", (address) => {
    expect(isPublicAddress(address)).toBe(false);
  });

  test.each([
    "1.1.1.1",
    "8.8.8.8",
    "172.15.0.1",
    "172.32.0.1",
    "100.63.255.255",
    "100.128.0.1",
    "192.0.1.1",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450:4001::200e",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
  ])("%s is open", (address) => {
    expect(isPublicAddress(address)).toBe(true);
  });
});

describe("http_get refuses", () => {
  test.each([
    "http://127.0.0.1/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f.0.0.1/",
    "http://017700000001/",
    "http://[::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://169.254.169.254/latest/meta-data/",
    "http://10.0.0.1/",
    "http://[fd00:ec2::254]/",
    "http://0/",
    "http://[::]/",
  ])("%s", async (url) => {
    await expect(get(url, {})).rejects.toMatchObject({
      ...refusal,
      message: expect.stringContaining("private network"),
    });
  });

  test("names that lead to this machine", async () => {
    await expect(get(`http://localhost:${port}/`, {})).rejects.toMatchObject(refusal);
    await expect(
      get(`http://inner.example:${port}/`, { lookup: names({ "inner.example": ["127.0.0.1"] }) }),
    ).rejects.toMatchObject(refusal);
    expect(asked).toEqual([]);
  });

  test("names of which one address is private, whichever comes first", async () => {
    const lookup = names({ "mixed.example": ["8.8.8.8", "127.0.0.1"] });
    await expect(get(`http://mixed.example:${port}/`, { lookup })).rejects.toMatchObject(refusal);
    expect(asked).toEqual([]);
  });

  test("names that lead to another address when they are looked up again", async () => {
    let lookups = 0;
    const lookup: LookupFunction = (hostname, options, callback) => {
      lookups += 1;
      names({ [hostname]: [lookups === 1 ? "127.0.0.1" : "127.0.0.2"] })(hostname, options, callback);
    };
    // What is connected to is what was checked: there is no second lookup that could lie.
    expect((await get(`http://rebind.example:${port}/one`, { ...LOCAL, lookup })).text).toBe("hello");
    expect(lookups).toBe(1);
    await expect(get(`http://rebind.example:${port}/two`, { ...LOCAL, lookup })).rejects.toMatchObject(
      refusal,
    );
    expect(asked).toEqual(["rebind.example/one"]);
  });

  test("a connection that ended elsewhere than was checked", async () => {
    // The check that is asked before the connection says yes; the one after it sees the address itself.
    let checks = 0;
    const allow = (): boolean => ++checks < 2;
    const lookup = names({ "late.example": ["127.0.0.1"] });
    await expect(get(`http://late.example:${port}/`, { allow, lookup })).rejects.toMatchObject(refusal);
    expect(checks).toBe(2);
  });

  test.each([
    ["ftp://example.com/", /neither http: nor https:/],
    ["file:///etc/passwd", /neither http: nor https:/],
    ["data:text/plain,hi", /neither http: nor https:/],
    ["javascript:alert(1)", /neither http: nor https:/],
    ["http://user:pw@example.com/", /no user and no password/],
    ["https://key@example.com/", /no user and no password/],
    ["example.com", /it is no address/],
    ["", /it is no address/],
  ])("%s", async (url, message) => {
    const error = await get(url).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ ...refusal, message: expect.stringMatching(message) });
    expect(String(error)).not.toContain("pw");
  });

  test("redirects into a private network, to other protocols, and with a password", async () => {
    const targets = [
      "http://169.254.169.254/latest",
      "http://[::1]/",
      "file:///etc/passwd",
      `http://u:p@127.0.0.1:${port}/`,
    ];
    for (const location of targets) {
      answer = (_, response) => response.writeHead(302, { location }).end();
      await expect(get(`${origin}/start`)).rejects.toMatchObject(refusal);
    }
    answer = (_, response) => response.writeHead(302, { location: `http://inner.example:${port}/` }).end();
    const lookup = names({ "inner.example": ["10.0.0.1"] });
    await expect(get(`${origin}/start`, { ...LOCAL, lookup })).rejects.toMatchObject(refusal);
    expect(new Set(asked)).toEqual(new Set(["127.0.0.1/start"]));
  });

  test("more than five redirects", async () => {
    answer = (request, response) => response.writeHead(302, { location: `${request.url}x` }).end();
    await expect(get(`${origin}/`)).rejects.toThrow(/redirects more than 5 times/);
    expect(asked).toHaveLength(6);
  });
});

describe("http_get", () => {
  test("reads text, and follows redirects", async () => {
    answer = (request, response) => {
      if (request.url === "/from") {
        response.writeHead(301, { location: "/to?a=1" }).end();
      } else {
        response.writeHead(200, { "content-type": "application/json" }).end('{"ok":true}');
      }
    };
    expect(await get(`${origin}/from`)).toEqual({
      url: `${origin}/to?a=1`,
      contentType: "application/json",
      title: null,
      text: '{"ok":true}',
      cut: false,
    });
  });

  test("stops reading at its limit, even where the server never stops", async () => {
    let written = 0;
    answer = (_, response) => {
      response.writeHead(200, { "content-type": "text/plain" });
      const more = (): void => {
        while (!response.destroyed && response.write("x".repeat(16_384))) {
          written += 16_384;
        }
      };
      response.on("drain", more);
      more();
    };
    const page = await get(`${origin}/endless`, LOCAL, 1000);
    expect(page.text).toBe("x".repeat(1000));
    expect(page.cut).toBe(true);
    expect(written).toBeLessThan(50_000_000);
  });

  test("unpacks what is packed, no further than its limit", async () => {
    const bomb = gzipSync(Buffer.alloc(50_000_000, "y"));
    expect(bomb.length).toBeLessThan(100_000);
    answer = (_, response) => {
      response.writeHead(200, { "content-type": "text/plain", "content-encoding": "gzip" });
      response.end(bomb);
    };
    expect(await get(`${origin}/bomb`, LOCAL, 100)).toMatchObject({ text: "y".repeat(100), cut: true });
    answer = (_, response) => {
      response.writeHead(200, { "content-type": "text/plain", "content-encoding": "gzip" });
      response.end("this is not packed");
    };
    await expect(get(`${origin}/broken`)).rejects.toMatchObject({ code: "STEP_FAILED" });
  });

  test("gives up on a server that does not answer, and on one that does not end", async () => {
    answer = () => undefined;
    await expect(get(`${origin}/silent`, { ...LOCAL, timeoutMs: 100 })).rejects.toThrow(/more than 100 ms/);
    answer = (_, response) => {
      response.writeHead(200, { "content-type": "text/plain" });
      response.write("begun");
    };
    await expect(get(`${origin}/slow`, { ...LOCAL, timeoutMs: 100 })).rejects.toThrow(/more than 100 ms/);
  });

  test("ends with the signal's reason when it is aborted", async () => {
    answer = () => undefined;
    const abort = new AbortController();
    const page = getPage(`${origin}/x`, { maxBytes: 100, signal: abort.signal }, LOCAL);
    abort.abort(new Error("cancelled"));
    await expect(page).rejects.toThrow("cancelled");
  });

  test("tells what may pass from what may not", async () => {
    const status = async (code: number, headers: Record<string, string> = {}): Promise<unknown> => {
      answer = (_, response) => response.writeHead(code, headers).end("secret body");
      return get(`${origin}/s`).catch((error: unknown) => error);
    };
    expect(await status(404)).toMatchObject({
      retryable: false,
      message: "the server answered with status 404",
    });
    expect(await status(500)).toMatchObject({ code: "STEP_FAILED", retryable: true });
    expect(await status(429, { "retry-after": "7" })).toMatchObject({ retryAfterMs: 7000 });
    expect(await status(503, { "retry-after": "86400" })).toMatchObject({ retryable: true });
    expect(await status(304)).toMatchObject({ retryable: false });
  });

  test("says that a server cannot be reached, without what is behind the path", async () => {
    await expect(get("http://127.0.0.1:1/a?token=secret")).rejects.toThrow(
      expect.not.objectContaining({ message: expect.stringContaining("secret") }),
    );
  });

  test("refuses what is no text", async () => {
    answer = (_, response) =>
      response.writeHead(200, { "content-type": "image/png" }).end(Buffer.from([1, 2]));
    await expect(get(`${origin}/i`)).rejects.toMatchObject({
      retryable: false,
      message: expect.stringMatching(/image\/png/),
    });
    answer = (_, response) => response.writeHead(200).end(Buffer.from([1, 0, 2]));
    await expect(get(`${origin}/i`)).rejects.toMatchObject({ retryable: false });
  });

  test("reduces a page to its text", async () => {
    answer = (_, response) =>
      response
        .writeHead(200, { "content-type": "text/html; charset=utf-8" })
        .end("<title>T &amp; U</title><p>Grüße");
    expect(await get(`${origin}/p`)).toMatchObject({ title: "T & U", text: "Grüße" });
  });
});

describe("text of a page", () => {
  test("keeps headings, items, cells and lines, and leaves out what nobody reads", () => {
    const { title, text } = readPage(`<!doctype html><html><head><title> A
      page </title><style>p { color: red }</style></head><body>
      <!-- a > comment --><h1>Head&nbsp;line</h1><script>if (a < b) alert("</p>")</script>
      <p>One <b>bold</b>
         word &lt;here&gt; &#8212; &#x41;.</p><ul><li>first</li><li>second</li></ul>
      <table><tr><td>a</td><td>b</td></tr></table><svg><text>no</text></svg>
      <a href="x?a>b" title='>'>link</a> 3 < 4<br>end</body></html>`);
    expect(title).toBe("A page");
    expect(text).toBe(
      "# Head line\n\nOne bold word <here> — A.\n\n- first\n- second\n\n| a | b\n\nlink 3 < 4\nend",
    );
  });

  test("is read in time that grows with the page, however broken", () => {
    const begin = performance.now();
    for (const piece of ["<", "<a ", "<!--", "<script>", '<a href="', "&#", "</", "<p>x"]) {
      readPage(piece.repeat(200_000));
    }
    expect(performance.now() - begin).toBeLessThan(5000);
  });

  test("is in the charset that its mark, the server or the page says", () => {
    const latin1 = Buffer.from("gr\xfc\xdfe", "latin1");
    expect(decodeText(latin1, "text/plain; charset=ISO-8859-1")).toBe("grüße");
    expect(
      decodeText(Buffer.concat([Buffer.from('<meta charset="windows-1252">'), latin1]), "text/html"),
    ).toContain("grüße");
    expect(decodeText(Buffer.from("\ufeffgrüße", "utf16le"), "text/plain")).toBe("grüße");
    expect(decodeText(Buffer.from("grüße"), "text/plain; charset=klingon")).toBe("grüße");
  });
});
