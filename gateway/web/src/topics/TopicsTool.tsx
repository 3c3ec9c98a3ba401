import type { FormEvent } from 'react';
import { useModel } from '../model.ts';
import { Icon } from '../ui/icons.tsx';
import { textOf, withSeconds } from '../ui/text.ts';
import { useSubmit } from '../ui/useSubmit.ts';
import type { Topics } from './topics.ts';

export function TopicsTool({ topics }: { topics: Topics }) {
  const { received } = useModel(topics);
  return (
    <div className="tool scrolls">
      <div className="tool-inner">
        <Subscriptions topics={topics} />
        <Publish topics={topics} />
        {received.length === 0 && <p className="none">What is published to your topics will stand here.</p>}
        {received.length > 0 && (
          <section className="box" aria-labelledby="feed-title">
            <h2 id="feed-title">Received</h2>
            <ul className="feed" aria-live="polite">
              {received.map(({ id, topic, data, from, at }) => (
                <li key={id} data-testid="publication" data-topic={topic}>
                  <time dateTime={at.toISOString()}>{withSeconds(at)}</time>
                  <span className="topic">{topic}</span>
                  <span className="by">{from ?? 'the server'}</span>
                  <span className="value">{textOf(data)}</span>
                </li>
              ))}
            </ul>
          </section>
        )}
      </div>
    </div>
  );
}

function Subscriptions({ topics }: { topics: Topics }) {
  const { patterns, error } = useModel(topics);
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const pattern = String(new FormData(event.currentTarget).get('pattern')).trim();
    event.currentTarget.reset();
    if (pattern) topics.subscribe(pattern);
  };

  return (
    <form className="box" autoComplete="off" onSubmit={submit}>
      <h2>Subscribe</h2>
      <div className="row">
        <label className="field">
          <span>Pattern</span>
          <input name="pattern" data-testid="pattern-input" required maxLength={128} autoCapitalize="none" spellCheck={false} placeholder="orders.*" aria-describedby="pattern-help" />
        </label>
        <button className="primary" data-testid="subscribe-button">Subscribe</button>
      </div>
      <p className="muted" id="pattern-help">Words and dots; <code>*</code> stands for one word, a last <code>&gt;</code> for one or more. The first word is literal.</p>
      {error && <p className="error" role="alert">{error}</p>}
      {patterns.length > 0 && (
        <ul className="patterns" aria-label="Subscriptions">
          {patterns.map(({ pattern, count }) => (
            <li key={pattern} className="pattern" data-testid="subscription" data-pattern={pattern}>
              {pattern}<span className="count">{count}</span>
              <button type="button" className="icon" aria-label={`Unsubscribe from ${pattern}`} onClick={() => topics.unsubscribe(pattern)}><Icon name="close" /></button>
            </li>
          ))}
        </ul>
      )}
    </form>
  );
}

function Publish({ topics }: { topics: Topics }) {
  const { error, submit } = useSubmit((fields) => topics.publish(String(fields.get('topic')).trim(), parsed(String(fields.get('data')))));

  return (
    <form className="box" autoComplete="off" onSubmit={submit}>
      <h2>Publish</h2>
      <div className="row">
        <label className="field"><span>Topic</span><input name="topic" data-testid="topic-input" required maxLength={128} autoCapitalize="none" spellCheck={false} placeholder="orders.created" /></label>
        <label className="field"><span>Data, JSON or text</span><input name="data" data-testid="topic-data" placeholder={'{"item": "tea"}'} /></label>
        <button className="primary" data-testid="publish-button">Publish</button>
      </div>
      {error && <p className="error" role="alert">{error}</p>}
    </form>
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
