const sentences = {
  not_encrypted: 'A plain message in a conversation that is encrypted.',
  malformed: 'The message is not as encrypted messages are written.',
  unknown_sender_key: 'The key that it names as its sender is not one of that user.',
  unverified_key: 'Its sender\'s key has not been verified, and only verified keys are to be used.',
  not_for_this_device: 'It was not encrypted for this device.',
  unknown_room_key: 'The key that it was encrypted with is not known.',
  tampered: 'It has been changed on its way, or was encrypted with another key.',
  mismatch: 'It was written for another conversation, by another sender, or as another message.',
  replayed: 'It is a repetition of an earlier message, or out of its order.',
} as const;

export type RefusalCode = keyof typeof sentences;

/** Why a message is not shown to the application (docs/encryption.md, "What is refused"). A result, not an exception. */
export class Refusal {
  readonly message: string;

  constructor(readonly code: RefusalCode) {
    this.message = sentences[code];
  }
}
