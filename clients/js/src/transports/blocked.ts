/** The gateway can be reached and takes the token, but this transport does not get through to it. */
export class TransportBlocked extends Error {
  constructor(transport: string, cause: unknown) {
    super(`${transport} does not get through to the gateway, though HTTP does.`, { cause });
    this.name = 'TransportBlocked';
  }
}
