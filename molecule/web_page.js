// What web_page.py has the page do: `begin` asks a question, and `noted` and `ended` tell how it went.
const post = async (path, body) => {
  const json = {headers: {'Content-Type': 'application/json'}, body: JSON.stringify(body)};
  const answer = await fetch(path, {method: 'POST', ...(body instanceof FormData ? {body} : json)});
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
};

const read = (sent, onMessage) => new Promise((resolve) => {
  const source = new EventSource(sent.stream_url);
  const note = (kind, more) => window.noted.push({kind, ...more});
  source.onopen = () => note('opened', {});
  source.onerror = () => {
    note('broken', {});
    if (source.readyState === EventSource.CLOSED) resolve();
  };
  source.onmessage = (event) => {
    const data = JSON.parse(event.data);
    note('event', {id: Number(event.lastEventId), data});
    onMessage(data);
    if (!['done', 'error'].includes(data.type)) return;
    source.close();
    resolve();
  };
});

const send = (message, more) => post('/v1/chat/send?streaming=true', {message, ...more});

const form = (message, name, content) => {
  const fields = new FormData();
  fields.append('message', message);
  fields.append('file0', new File([content], name));
  return fields;
};

const nothing = () => {};
const asking = {
  plainly: async ({message}) => read(await send(message, {}), nothing),
  withFile: async ({message, name, content}) =>
    read(await post('/v1/chat/send-with-files?streaming=true', form(message, name, content)), nothing),
  approving: async ({message}) => {
    let approved;
    await read(await send(message, {}), (data) => {
      if (data.type === 'tool_approval_request') {
        approved = send(`[APPROVE_TOOLS:${data.request_id}]`, {session_id: data.session_id});
      }
    });
    await read(await approved, nothing);
  },
};

window.begin = (how, question) => {
  window.noted = [];
  window.ended = undefined;
  asking[how](question).then(() => { window.ended = 'well'; }, (error) => { window.ended = String(error); });
};
