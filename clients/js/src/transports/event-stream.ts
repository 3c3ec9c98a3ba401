/** One event of a `text/event-stream` (https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream). */
export interface StreamEvent {
  event: string;
  /** Undefined where there is an id and nothing else, of which an EventSource says nothing. */
  data: string | undefined;
  /** Of this event, or the last before it that had one. */
  id: string;
}

/**
 * Takes a stream apart. Unlike EventSource it hands out events of every name, which for rooms is whatever their members choose, and it shows the status of a
 * refused request.
 */
export class EventStreamParser {
  #rest = '';
  #event = '';
  #data: string[] = [];
  #id = '';
  #moved = false;
  /** The last piece ended with a carriage return, to which a line feed may belong. */
  #afterReturn = false;

  /** The events that this piece of the stream completes. */
  push(text: string): StreamEvent[] {
    if (this.#afterReturn && text.startsWith('\n')) text = text.slice(1);
    if (text === '') return [];
    this.#afterReturn = text.endsWith('\r');
    const lines = (this.#rest + text).split(/\r\n|\n|\r/);
    this.#rest = lines.pop()!;
    return lines.flatMap((line) => this.#line(line) ?? []);
  }

  #line(line: string): StreamEvent | undefined {
    if (line === '') return this.#dispatch();
    const colon = line.indexOf(':');
    if (colon === 0) return undefined;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (field === 'event') this.#event = value;
    else if (field === 'data') this.#data.push(value);
    else if (field === 'id' && !value.includes('\0')) {
      this.#id = value;
      this.#moved = true;
    }
    return undefined;
  }

  #dispatch(): StreamEvent | undefined {
    const [data, moved, id] = [this.#data, this.#moved, this.#id];
    const event = this.#event || 'message';
    this.#event = '';
    this.#data = [];
    this.#moved = false;
    if (data.length > 0) return { event, data: data.join('\n'), id };
    return moved ? { event, data: undefined, id } : undefined;
  }
}
