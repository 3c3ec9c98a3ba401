export type * from './api.js';
export { connect } from './client.js';
export { refuse, type Codec, type DecodeContext, type EncodeContext, type Refused } from './codec.js';
export { RealtimeError, RefusedError } from './errors.js';
export type * from './messages.js';
export { DirectTimeline, RoomTimeline, type RoomTimelineState, type TimelineOptions, type TimelineState } from './timeline.js';
export type * from './transports/transport.js';
