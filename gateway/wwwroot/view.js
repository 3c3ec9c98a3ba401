// Messages of one author closer than this share one heading.
const GROUPED_WITHIN = 5 * 60_000;
const AT_END_WITHIN = 80;
const MEMBERS_SHOWN = 200;
const REDRAW_DELAY = 50;
const TOAST_SHOWN = 10_000;

const find = (id) => document.getElementById(id);
const hook = (name) => document.querySelector(`[data-testid="${name}"]`);

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const dayAndClock = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });

/** All that touches the page. What the user does is reported through `on`, `onSignIn` and `onSignOut`. */
export class View {
  on = null;
  onSignIn = null;
  onSignOut = null;
  #user = null;
  #active = null;
  #elements = new Map(); // Entry of the open conversation → its element.
  #following = true; // The end of the conversation is in view.
  #listPending = null;
  #membersPending = null;
  #drawerOpener = null;

  constructor() {
    this.#wireSignIn();
    this.#wireChat();
    this.#wireDrawers();
  }

  // Signing in

  showSignIn({ user = '', tokenRequired = false, error = null }) {
    const form = document.forms[0];
    find('sign-in').hidden = false;
    find('chat').hidden = true;
    form.user.value = user;
    if (tokenRequired) find('token-field').hidden = false;
    // The token says whose it is.
    const asksToken = !find('token-field').hidden;
    form.user.required = !asksToken;
    find('sign-in-error').textContent = error ?? '';
    find('sign-in-error').hidden = !error;
    hook('connect-button').disabled = false;
    (asksToken ? form.token : form.user).focus();
  }

  showChat(user, transportName) {
    this.#user = user;
    find('sign-in').hidden = true;
    find('chat').hidden = false;
    find('own-name').textContent = user;
    paintAvatar(find('own-avatar'), user);
    hook('transport-select').value = transportName;
  }

  #wireSignIn() {
    const form = document.forms[0];
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      hook('connect-button').disabled = true;
      this.onSignIn(form.user.value.trim(), find('token-field').hidden ? null : form.token.value.trim());
    });
    find('sign-out').addEventListener('click', () => this.onSignOut());
  }

  // Conversations

  /** Drawn a moment later, once for all changes until then: in a busy room the counts change faster than anybody reads. */
  list(conversations) {
    this.#listPending ??= setTimeout(() => {
      this.#listPending = null;
      this.#drawList([...conversations.values()]);
    }, REDRAW_DELAY);
  }

  #drawList(conversations) {
    const active = this.#active;
    const directs = conversations.filter(({ direct }) => direct);
    redraw(find('room-list'), conversations.filter(({ direct }) => !direct).map((c) => this.#listItem(c)));
    redraw(find('direct-list'), directs.map((c) => this.#listItem(c)));
    find('directs-title').hidden = !directs.length;

    const unread = conversations.reduce((sum, c) => sum + c.unread, 0);
    find('unread-elsewhere').hidden = !unread;
    document.title = `${unread ? `(${unread}) ` : ''}${active ? `${label(active)} · ` : ''}OrleansRealtime`;
  }

  #listItem(conversation) {
    const { id, name, direct, unread, timeline } = conversation;
    const open = make('button', {
      className: 'open',
      dataset: { testid: direct ? 'direct-item' : 'room-item', id, unread, [direct ? 'user' : 'room']: name },
      onclick: () => {
        this.#closeDrawers();
        this.on.open(id);
      },
    }, direct ? avatar(name) : make('span', { className: 'hash', textContent: '#', ariaHidden: 'true' }), make('span', { className: 'name', textContent: name }));
    if (direct) {
      const last = timeline.entries.at(-1);
      if (last) open.append(make('span', { className: 'preview', textContent: textOf(last.data) }));
    }
    if (unread) {
      open.append(make('span', { className: 'badge', textContent: unread > 99 ? '99+' : unread, ariaLabel: `${unread} unread` }));
    }
    if (conversation === this.#active) open.setAttribute('aria-current', 'true');
    const item = make('li', {}, open);
    if (!direct) {
      item.append(make('button', {
        className: 'icon leave',
        textContent: '×',
        ariaLabel: `Leave ${name}`,
        title: 'Leave',
        dataset: { testid: 'leave-button' },
        onclick: () => this.on.leave(id),
      }));
    }
    return item;
  }

  open(conversation) {
    this.#active = conversation;
    this.#elements.clear();
    find('title').textContent = conversation ? label(conversation) : 'No conversation';
    find('composer').hidden = !conversation;
    find('open-members').hidden = !conversation || conversation.direct;
    find('members').hidden = !conversation || conversation.direct;
    find('to-newest').hidden = true;
    hook('message-input').placeholder = conversation ? `Message ${label(conversation)}` : '';
    const log = find('messages');
    log.ariaBusy = 'true'; // A conversation that is opened is not news to be read out.
    find('entries').replaceChildren(...(conversation?.timeline.entries ?? []).map((entry) => this.#draw(entry)));
    conversation?.timeline.entries.forEach((entry) => this.#group(entry));
    this.historyChanged(conversation);
    this.#drawMembers(conversation);
    log.scrollTop = log.scrollHeight;
    log.ariaBusy = 'false';
    if (conversation && matchMedia('(hover: hover)').matches) hook('message-input').focus();
  }

  // Messages

  /** Draws an entry that is new, has changed or has moved. */
  place(conversation, entry) {
    if (conversation.direct) this.#redrawPreview(conversation, entry);
    if (conversation !== this.#active) return;
    const { timeline } = conversation;
    const stick = this.isAtEnd(conversation) || entry.state === 'pending';
    const next = timeline.next(entry);
    const known = this.#elements.has(entry);
    const element = this.#draw(entry);
    const before = next ? this.#elements.get(next) : null;
    if (!known || element.nextElementSibling !== before) find('entries').insertBefore(element, before);
    this.#group(entry);
    if (next) this.#group(next);
    this.#drawEmpty();
    if (stick) this.#toEnd();
    else if (!next && !entry.mine && !entry.gap) find('to-newest').hidden = false;
  }

  removed(conversation, entries) {
    if (conversation !== this.#active) return;
    for (const entry of entries) {
      this.#elements.get(entry)?.remove();
      this.#elements.delete(entry);
    }
    if (conversation.timeline.entries.length) this.#group(conversation.timeline.entries[0]);
    this.#drawEmpty();
  }

  isAtEnd(conversation) {
    const log = find('messages');
    return conversation !== this.#active || log.scrollHeight - log.scrollTop - log.clientHeight < AT_END_WITHIN;
  }

  /** Lets older messages be put in above without what is being read moving away. */
  keepPosition(change) {
    const log = find('messages');
    const atEnd = this.isAtEnd(this.#active);
    const fromEnd = log.scrollHeight - log.scrollTop;
    change();
    log.scrollTop = atEnd ? log.scrollHeight : log.scrollHeight - fromEnd;
  }

  historyChanged(conversation) {
    if (conversation !== this.#active) return;
    this.keepPosition(() => {
      hook('load-older').hidden = !conversation?.canLoadOlder;
      this.#drawEmpty();
    });
  }

  #drawEmpty() {
    const empty = find('empty');
    empty.hidden = Boolean(this.#active?.timeline.entries.length);
    if (!this.#active) empty.textContent = 'Join a room to begin.';
    else if (this.#active.direct) empty.textContent = `Nothing yet between you and ${this.#active.name}.`;
    else empty.textContent = this.#active.loaded ? 'Nothing here yet. Say hello.' : 'Loading…';
  }

  #draw(entry) {
    let element = this.#elements.get(entry);
    if (!element) {
      element = entry.gap ? gapMarker() : this.#messageElement(entry);
      this.#elements.set(entry, element);
    }
    if (!entry.gap) this.#drawState(element, entry);
    return element;
  }

  #messageElement(entry) {
    const { from, data, event, mine } = entry;
    const text = make('p', { className: 'text', textContent: textOf(data), dir: 'auto' });
    if (event && event !== 'message') text.prepend(make('span', { className: 'tag', textContent: event }));
    return make(
      'li',
      { className: mine ? 'entry mine' : 'entry', dataset: { testid: this.#active.direct ? 'direct-message' : 'message' } },
      avatar(from ?? 'server'),
      make('div', { className: 'heading' }, make('strong', { textContent: from ?? 'Server' }), make('time')),
      make('div', { className: 'body' }, text, make('span', { className: 'delivery' })),
    );
  }

  #drawState(element, entry) {
    const { state, offset, time, messageId, from, mine, error } = entry;
    Object.assign(element.dataset, { state, offset: offset ?? '', from: from ?? '' });
    if (messageId) element.dataset.messageId = messageId;
    const at = time ? new Date(time) : new Date();
    const when = element.querySelector('time');
    when.dateTime = at.toISOString();
    when.title = full.format(at);
    when.textContent = (isToday(at) ? clock : dayAndClock).format(at);
    if (!mine) return;
    const delivery = element.querySelector('.delivery');
    delivery.title = '';
    if (state === 'failed') {
      delivery.replaceChildren(
        make('span', { textContent: `Not sent${error ? `: ${error}` : ''}` }),
        make('button', { textContent: 'Send again', onclick: () => this.on.retryMessage(entry) }),
        make('button', { textContent: 'Discard', onclick: () => this.on.discardMessage(entry) }),
      );
    } else {
      delivery.textContent = state === 'pending' ? 'Sending…' : '✓';
      delivery.title = state === 'pending' ? '' : `Kept at offset ${offset}`;
    }
  }

  #group(entry) {
    const previous = this.#active.timeline.previous(entry);
    const gap = Date.parse(entry.time ?? new Date()) - Date.parse(previous?.time ?? new Date());
    const continued = previous && !previous.gap && !entry.gap && previous.from === entry.from && gap < GROUPED_WITHIN;
    this.#elements.get(entry)?.classList.toggle('continued', Boolean(continued));
  }

  #redrawPreview({ id }, entry) {
    const preview = document.querySelector(`[data-id="${CSS.escape(id)}"] .preview`);
    if (preview) preview.textContent = textOf(entry.data);
  }

  #toEnd() {
    const log = find('messages');
    log.scrollTop = log.scrollHeight;
    find('to-newest').hidden = true;
  }

  #wireChat() {
    const composer = find('composer');
    const { text } = composer;
    composer.addEventListener('submit', (event) => {
      event.preventDefault();
      const message = text.value.trim();
      if (message) this.on.send(message);
      text.value = '';
      text.focus();
    });
    text.addEventListener('keydown', (event) => {
      // Enter also ends the composition of a Japanese or Chinese word, which is not sending.
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      composer.requestSubmit();
    });
    find('join').addEventListener('submit', (event) => {
      event.preventDefault();
      const room = event.target.room.value.trim();
      if (!room) return;
      event.target.reset();
      this.#closeDrawers();
      this.on.join(room);
    });
    const log = find('messages');
    log.addEventListener('scroll', () => {
      this.#following = this.isAtEnd(this.#active);
      if (this.#following) find('to-newest').hidden = true;
    }, { passive: true });
    // A growing composer or a phone's keyboard takes room from the end, which is what is being read.
    new ResizeObserver(() => {
      if (this.#following) this.#toEnd();
    }).observe(log);
    find('to-newest').addEventListener('click', () => this.#toEnd());
    hook('load-older').addEventListener('click', () => this.on.loadOlder());
    hook('retry-button').addEventListener('click', () => this.on.retryConnection());
    hook('transport-select').addEventListener('change', (event) => this.on.chooseTransport(event.target.value));
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') this.on?.read();
    });
  }

  // Members

  /** Like the lists, redrawn after a while: a large room has many comings and goings. */
  members(conversation) {
    if (conversation !== this.#active) return;
    this.#membersPending ??= setTimeout(() => {
      this.#membersPending = null;
      this.#drawMembers(this.#active);
    }, REDRAW_DELAY);
  }

  #drawMembers(conversation) {
    const subtitle = find('subtitle');
    if (!conversation || conversation.direct) {
      subtitle.textContent = conversation ? 'Direct messages' : '';
      find('member-list').replaceChildren();
      return;
    }
    const { members, memberCount } = conversation;
    subtitle.textContent = memberCount === null ? '' : memberCount === 1 ? '1 member' : `${memberCount} members`;
    const users = [...members.keys()].sort((a, b) => a.localeCompare(b)).slice(0, MEMBERS_SHOWN);
    redraw(find('member-list'), users.map((user) => this.#memberItem(user, members.get(user))));
    const more = (memberCount ?? 0) - users.length;
    find('more-members').hidden = more <= 0;
    find('more-members').textContent = `and ${more} more`;
  }

  #memberItem(user, connections) {
    const self = user === this.#user;
    const item = make('button', {
      className: 'open',
      dataset: { testid: 'member-item', user },
      disabled: self,
      title: self ? '' : `Write to ${user}`,
      onclick: () => {
        this.#closeDrawers();
        this.on.openDirect(user);
      },
    }, avatar(user), make('span', { className: 'name', textContent: self ? `${user} (you)` : user }));
    if (connections > 1) {
      item.append(make('span', { className: 'count', textContent: `×${connections}`, title: `${connections} connections` }));
    }
    return make('li', {}, item);
  }

  // Connection

  connection({ state, transport, seconds, message }) {
    const indicator = hook('connection-state');
    indicator.dataset.state = state;
    if (indicator.textContent !== state) indicator.textContent = state;
    find('chat').dataset.connection = state;
    if (transport) {
      hook('transport-label').textContent = transport.label;
      hook('transport-label').dataset.transport = transport.name;
    }
    const text = {
      reconnecting: seconds ? `Connection lost. Next attempt in ${seconds} s.` : 'Reconnecting…',
      failed: message,
    }[state];
    find('banner').hidden = !text;
    find('banner-text').textContent = text ?? '';
    hook('retry-button').textContent = state === 'failed' ? 'Retry' : 'Retry now';
  }

  signalRMissing() {
    hook('transport-select').options[0].disabled = true;
    hook('transport-select').value = 'sse';
    this.toast('This server was built without the SignalR client. The page uses SSE and REST.', 'info');
  }

  // Toasts

  notify({ from, data }) {
    const text = make('p', {}, make('strong', { textContent: from ?? 'Notification' }), ` ${textOf(data)}`);
    this.#showToast(text, 'notification');
  }

  toast(message, kind) {
    this.#showToast(make('p', { textContent: message }), 'notice', kind);
  }

  #showToast(content, testid, kind = 'info') {
    const toast = make('div', { className: `toast ${kind}`, dataset: { testid } }, content);
    toast.append(make('button', { className: 'icon', textContent: '×', ariaLabel: 'Dismiss', onclick: () => toast.remove() }));
    find('toasts').append(toast);
    setTimeout(() => toast.remove(), TOAST_SHOWN);
  }

  // Drawers, on a narrow screen

  #wireDrawers() {
    for (const name of ['rooms', 'members']) {
      find(`open-${name}`).addEventListener('click', (event) => this.#openDrawer(name, event.currentTarget));
    }
    for (const button of document.querySelectorAll('[data-close]')) button.addEventListener('click', () => this.#closeDrawers());
    find('backdrop').addEventListener('click', () => this.#closeDrawers());
    document.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.#closeDrawers();
    });
  }

  #openDrawer(name, opener) {
    this.#closeDrawers();
    this.#drawerOpener = opener;
    opener.ariaExpanded = 'true';
    find(name).classList.add('opened');
    find('backdrop').hidden = false;
    find(name).querySelector('[data-close]').focus();
  }

  #closeDrawers() {
    if (!this.#drawerOpener) return;
    for (const panel of document.querySelectorAll('.opened')) panel.classList.remove('opened');
    find('backdrop').hidden = true;
    this.#drawerOpener.ariaExpanded = 'false';
    this.#drawerOpener.focus();
    this.#drawerOpener = null;
  }
}

function gapMarker() {
  return make('li', { className: 'gap', dataset: { testid: 'gap-marker' } }, make('span', { textContent: 'Some messages may be missing here' }));
}

const label = ({ direct, name }) => (direct ? name : `#${name}`);

/** Other clients send what they like: a string, {text}, or any JSON. */
function textOf(data) {
  if (typeof data === 'string') return data;
  return typeof data?.text === 'string' ? data.text : JSON.stringify(data ?? null);
}

const isToday = (date) => date.toDateString() === new Date().toDateString();

function avatar(user) {
  return paintAvatar(make('span', { className: 'avatar', ariaHidden: 'true' }), user);
}

/** The same colour for a user everywhere. */
function paintAvatar(element, user) {
  let hash = 2_166_136_261; // FNV-1a
  for (const character of user) hash = Math.imul(hash ^ character.codePointAt(0), 16_777_619) >>> 0;
  element.style.setProperty('--hue', hash % 360);
  element.textContent = [...user][0].toUpperCase();
  return element;
}

/** Keeps the keyboard's place where the focused item is still there. */
function redraw(list, items) {
  const { id, user } = list.contains(document.activeElement) ? document.activeElement.dataset : {};
  list.replaceChildren(...items);
  if (id ?? user) list.querySelector(id ? `[data-id="${CSS.escape(id)}"]` : `[data-user="${CSS.escape(user)}"]`)?.focus();
}

function make(tag, { dataset, ...properties } = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  Object.assign(element.dataset, dataset);
  element.append(...children);
  return element;
}
