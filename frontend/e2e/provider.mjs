// A certified OpenID provider (npm oidc-provider) on a free port. Whoever is `current` signs in there without a form.
import http from "node:http";
import Provider from "oidc-provider";

/** `origin`: where Bedside will be reached. */
export async function startProvider(origin) {
  const server = http.createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const issuer = `http://localhost:${server.address().port}`;
  const people = new Map();
  let current = null;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: "bedside",
        client_secret: "a secret that only the two of them know",
        redirect_uris: [`${origin}/api/v1/sign-in/callback`],
        post_logout_redirect_uris: [`${origin}/sign-in`],
        response_types: ["code"],
        grant_types: ["authorization_code"],
        backchannel_logout_uri: `${origin}/api/v1/sign-in/back-channel-logout/clinic`,
        backchannel_logout_session_required: true,
      },
    ],
    claims: { amr: null, sid: null, auth_time: null, openid: ["sub", "amr"], profile: ["name", "preferred_username", "groups"], email: ["email"] },
    scopes: ["openid", "profile", "email"],
    features: { devInteractions: { enabled: false }, backchannelLogout: { enabled: true }, rpInitiatedLogout: { enabled: true, logoutSource: (ctx, form) => {
      ctx.body = `<!doctype html><title>Sign out</title>${form}<button autofocus type="submit" form="op.logoutForm" value="yes" name="logout">Yes, sign me out</button>`;
    } } },
    pkce: { required: () => true },
    cookies: { keys: ["of this test only"] },
    interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id, ...people.get(id) }) }),
    // the other party is on this machine as well
    fetch: (url, { dispatcher: _guard, ...options }) => fetch(url, options),
  });
  provider.on("backchannel.error", (ctx, error) => console.error(`the provider could not tell of a sign-out: ${error.message}`, error.cause ?? ""));
  const callback = provider.callback();
  server.on("request", async (request, response) => {
    if (!request.url.startsWith("/interaction/")) return callback(request, response);
    const details = await provider.interactionDetails(request, response);
    if (details.prompt.name === "login") {
      return provider.interactionFinished(request, response, { login: { accountId: current.id, amr: current.amr, remember: true } }, { mergeWithLastSubmission: false });
    }
    const grant = new provider.Grant({ accountId: details.session.accountId, clientId: details.params.client_id });
    grant.addOIDCScope("openid profile email");
    const consent = { consent: { grantId: await grant.save() } };
    return provider.interactionFinished(request, response, consent, { mergeWithLastSubmission: true });
  });
  return {
    issuer,
    /** From now on this person is the one at the keyboard. */
    become(id, claims, amr = ["mfa"]) {
      people.set(id, claims);
      current = { id, amr };
    },
    stop: () => new Promise((resolve) => {
      server.closeAllConnections();
      server.close(resolve);
    }),
  };
}
