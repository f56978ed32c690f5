import { BlockList, isIP, isIPv4 } from "node:net";

/** Addresses that do not lead into the public internet: IANA's special-purpose registry, and clouds' own. */
const CLOSED_IPV4: readonly (readonly [string, number])[] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["168.63.129.16", 32],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
];

/** Of the global unicast addresses, those that are not: tunnels, documentation, benchmarks, identifiers. */
const CLOSED_IPV6: readonly (readonly [string, number])[] = [
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20],
];

const closed = new BlockList();
for (const [net, prefix] of CLOSED_IPV4) {
  closed.addSubnet(net, prefix, "ipv4");
}
for (const [net, prefix] of CLOSED_IPV6) {
  closed.addSubnet(net, prefix, "ipv6");
}

/** Says whether a step may connect to an address. */
export type AllowAddress = (address: string) => boolean;

/** True for addresses of the public internet; false for all others, and for what is no address. */
export const isPublicAddress: AllowAddress = (address) => {
  if (isIPv4(address)) {
    return !closed.check(address, "ipv4");
  }
  const groups = isIP(address) === 6 ? toGroups(address) : undefined;
  if (!groups) {
    return false;
  }
  const embedded = embeddedIPv4(groups);
  if (embedded !== undefined) {
    return isPublicAddress(embedded);
  }
  const global = ((groups[0] ?? 0) & 0xe000) === 0x2000;
  return global && !closed.check(address, "ipv6");
};

/** The eight numbers of an IPv6 address; undefined with a zone, which only local addresses have. */
function toGroups(address: string): number[] | undefined {
  if (address.includes("%")) {
    return undefined;
  }
  // The URL parser writes every form in one way, in hexadecimal groups.
  const text = new URL(`http://[${address}]/`).hostname.slice(1, -1);
  const [head = "", tail] = text.split("::");
  const numbers = (part: string): number[] =>
    part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16));
  const before = numbers(head);
  const after = numbers(tail ?? "");
  const gap = tail === undefined ? 0 : 8 - before.length - after.length;
  return [...before, ...Array<number>(gap).fill(0), ...after];
}

/** The IPv4 address that an IPv6 one leads to: ::ffff:a.b.c.d, and 64:ff9b::a.b.c.d behind NAT64. */
function embeddedIPv4(groups: readonly number[]): string | undefined {
  const prefix = groups.slice(0, 6).join(",");
  if (prefix !== "0,0,0,0,0,65535" && prefix !== `${0x64},${0xff9b},0,0,0,0`) {
    return undefined;
  }
  const [high = 0, low = 0] = groups.slice(6);
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}
