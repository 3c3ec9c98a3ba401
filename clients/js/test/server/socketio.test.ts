import { socketIO } from '../../src/transports/socketio.js';
import { transportContract } from './contract.js';

transportContract('socketio', socketIO());
