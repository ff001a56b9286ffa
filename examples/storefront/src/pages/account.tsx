/** Login, registration with the mailed code, and the reset of a password. */
import { type ReactNode, useState } from "react";
import { Link, useNavigate, useSearchParams } from "react-router";
import { useClient } from "urql";
import { useAction, useAnnounce } from "../actions";
import { saveSession } from "../client";
import { Field, Form } from "../form";
import { CartQuery, graphql } from "../graphql";
import { Heading, Quiet } from "../parts";
import { cartToken, getLanguage } from "../store";
import { useTexts } from "../texts";

const LoginMutation = graphql(`
  mutation Login($input: LoginInput!) {
    tokenCreate(input: $input) { accessToken refreshToken expiresIn errors { code message field } }
  }
`);
const RegisterMutation = graphql(`
  mutation Register($input: RegisterInput!) { accountRegister(input: $input) { errors { code message field } } }
`);
const ConfirmMutation = graphql(`
  mutation Confirm($input: ConfirmInput!) { accountConfirm(input: $input) { errors { code message field } } }
`);
const ResendMutation = graphql(`
  mutation Resend($input: EmailInput!) { accountConfirmationResend(input: $input) { errors { code message field } } }
`);
const ResetRequestMutation = graphql(`
  mutation ResetRequest($input: EmailInput!) { passwordResetRequest(input: $input) { errors { code message field } } }
`);
const ResetMutation = graphql(`
  mutation Reset($input: PasswordResetInput!) { passwordReset(input: $input) { errors { code message field } } }
`);

/** Log in, merge the guest's cart and wishlist, and open the next page. */
function useLogin() {
  const client = useClient();
  const navigate = useNavigate();
  const [parameters] = useSearchParams();
  const login = useAction(LoginMutation);
  async function run(email: string, password: string) {
    const { payload } = await login.run({ input: { email, password } });
    if (!saveSession(payload)) return;
    if (cartToken.get()) {
      // The first request with both tokens merges the guest's cart. Afterwards its token is of no use.
      const merged = await client.query(CartQuery, {}, { requestPolicy: "network-only" }).toPromise();
      if (!merged.error) cartToken.set(null);
    }
    // Only pages of the shop: a link must not lead elsewhere.
    const next = parameters.get("next") ?? "/me";
    navigate(/^\/(?![/\\])/.test(next) ? next : "/me", { replace: true });
  }
  return { ...login, run };
}

const CODE = { path: "code", inputMode: "numeric", autoComplete: "one-time-code", maxLength: 6 } as const;
const EMAIL = { path: "email", type: "email", autoComplete: "username" } as const;

/** The frame of these pages. */
function Narrow({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div className="narrow">
      <Heading key={title}>{title}</Heading>
      {children}
    </div>
  );
}

export function LoginPage() {
  const texts = useTexts();
  const login = useLogin();
  const [parameters] = useSearchParams();
  return (
    <Narrow title={texts.logIn}>
      <Form
        action={login}
        fields={["email", "password"]}
        submit={texts.logIn}
        onSend={({ email = "", password = "" }) => login.run(email, password)}>
        <Field {...EMAIL} />
        <Field path="password" type="password" autoComplete="current-password" />
      </Form>
      <p className="links">
        <Link to={`/register?${parameters}`}>{texts.noAccount}</Link>
        <Link to={`/reset?${parameters}`}>{texts.forgotPassword}</Link>
      </p>
    </Narrow>
  );
}

export function RegisterPage() {
  const texts = useTexts();
  const registration = useAction(RegisterMutation);
  const [account, setAccount] = useState<{ email: string; password: string } | null>(null);
  async function send({ email = "", password = "" }: Record<string, string>) {
    const { payload } = await registration.run({ input: { email, password, language: getLanguage() } });
    if (payload) setAccount({ email, password });
  }
  if (account) return <Confirmation {...account} />;
  return (
    <Narrow title={texts.registerTitle}>
      <Form action={registration} fields={["email", "password"]} submit={texts.registerTitle} onSend={send}>
        <Field {...EMAIL} />
        <Field path="password" type="password" autoComplete="new-password" />
      </Form>
    </Narrow>
  );
}

/** The form of the mailed code. The password is kept until the account is confirmed, for the first login. */
function Confirmation({ email, password }: { email: string; password: string }) {
  const texts = useTexts();
  const announce = useAnnounce();
  const login = useLogin();
  const confirmation = useAction(ConfirmMutation);
  const resending = useAction(ResendMutation);
  async function send({ code = "" }: Record<string, string>) {
    const { payload } = await confirmation.run({ input: { email, code: code.trim() } });
    if (payload) await login.run(email, password);
  }
  async function sendAgain() {
    const { errors } = await resending.run({ input: { email } });
    announce(errors[0]?.message ?? texts.resent);
  }
  const action = login.isRunning || login.errors.length ? login : confirmation;
  return (
    <Narrow title={texts.codeTitle}>
      <p>{texts.codeHint(email)}</p>
      <Form action={action} fields={["code"]} submit={texts.codeTitle} onSend={send}>
        <Field {...CODE} />
      </Form>
      <Quiet disabled={resending.isRunning} onClick={sendAgain}>
        {texts.resend}
      </Quiet>
    </Narrow>
  );
}

export function ResetPage() {
  const texts = useTexts();
  const navigate = useNavigate();
  const announce = useAnnounce();
  const [parameters] = useSearchParams();
  const request = useAction(ResetRequestMutation);
  const reset = useAction(ResetMutation);
  const [email, setEmail] = useState("");
  async function ask({ email: address = "" }: Record<string, string>) {
    const { payload } = await request.run({ input: { email: address } });
    if (payload) setEmail(address);
  }
  async function set({ code = "", newPassword = "" }: Record<string, string>) {
    const { payload } = await reset.run({ input: { email, code: code.trim(), newPassword } });
    if (!payload) return;
    announce(texts.passwordSet);
    navigate(`/login?${parameters}`);
  }
  return (
    <Narrow title={texts.resetTitle}>
      {email ? (
        <Form key="code" action={reset} fields={["code", "newPassword"]} submit={texts.setPassword} onSend={set}>
          <p>{texts.codeHint(email)}</p>
          <Field {...CODE} />
          <Field path="newPassword" type="password" autoComplete="new-password" />
        </Form>
      ) : (
        <Form key="email" action={request} fields={["email"]} submit={texts.sendCode} onSend={ask}>
          <Field {...EMAIL} />
        </Form>
      )}
    </Narrow>
  );
}
