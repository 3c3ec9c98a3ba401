import { transportContract } from './contract.js';

transportContract('signalr', 'signalr');
