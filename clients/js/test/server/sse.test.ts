import { transportContract } from './contract.js';

transportContract('sse', 'sse');
