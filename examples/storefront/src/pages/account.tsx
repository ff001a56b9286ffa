/** Login, registration with the mailed code, and the reset of a password. */
import { useState } from "react";
import { Link, useNavigate, useSearchParams } from "react-router";
import { useClient } from "urql";
import { saveSession } from "../client";
import { CartQuery, graphql, type UserError } from "../graphql";
import { Field, Form, PageHeading, useAction, useAnnounce } from "../parts";
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
    if (!payload?.accessToken || !payload.refreshToken || !payload.expiresIn) return;
    const { accessToken, refreshToken, expiresIn } = payload;
    const next = parameters.get("next") ?? "/me";
    saveSession({ accessToken, refreshToken, expiresIn });
    if (cartToken.get()) {
      // The first request with both tokens merges the guest's cart. Afterwards its token is of no use.
      const merged = await client.query(CartQuery, {}, { requestPolicy: "network-only" }).toPromise();
      if (!merged.error) cartToken.set(null);
    }
    // Only pages of the shop: a link must not lead elsewhere.
    navigate(/^\/(?![/\\])/.test(next) ? next : "/me", { replace: true });
  }
  return { ...login, run };
}

function EmailField({ errors }: { errors: readonly UserError[] }) {
  return <Field label={useTexts().email} path="email" errors={errors} type="email" autoComplete="username" />;
}

function CodeField({ errors }: { errors: readonly UserError[] }) {
  const input = { inputMode: "numeric", autoComplete: "one-time-code", maxLength: 6 } as const;
  return <Field label={useTexts().code} path="code" errors={errors} {...input} />;
}

export function LoginPage() {
  const texts = useTexts();
  const { errors, run, isRunning } = useLogin();
  const [parameters] = useSearchParams();
  return (
    <div className="narrow">
      <PageHeading>{texts.loginTitle}</PageHeading>
      <Form
        errors={errors}
        fields={["email", "password"]}
        onSend={({ email = "", password = "" }) => run(email, password)}>
        <EmailField errors={errors} />
        <Field label={texts.password} path="password" errors={errors} type="password" autoComplete="current-password" />
        <button type="submit" className="button" disabled={isRunning}>
          {texts.logIn}
        </button>
      </Form>
      <p>
        <Link to={`/register?${parameters}`}>{texts.noAccount}</Link>
      </p>
      <p>
        <Link to="/reset">{texts.forgotPassword}</Link>
      </p>
    </div>
  );
}

export function RegisterPage() {
  const texts = useTexts();
  const { errors, run, isRunning } = useAction(RegisterMutation);
  const [account, setAccount] = useState<{ email: string; password: string } | null>(null);
  async function send({ email = "", password = "" }: Record<string, string>) {
    const { payload } = await run({ input: { email, password, language: getLanguage() } });
    if (payload) setAccount({ email, password });
  }
  if (account) return <Confirmation {...account} />;
  return (
    <div className="narrow">
      <PageHeading key="register">{texts.registerTitle}</PageHeading>
      <Form errors={errors} fields={["email", "password"]} onSend={send}>
        <EmailField errors={errors} />
        <Field label={texts.password} path="password" errors={errors} type="password" autoComplete="new-password" />
        <button type="submit" className="button" disabled={isRunning}>
          {texts.register}
        </button>
      </Form>
    </div>
  );
}

/** The form of the mailed code. The password is kept until the account is confirmed, for the first login. */
function Confirmation({ email, password }: { email: string; password: string }) {
  const texts = useTexts();
  const announce = useAnnounce();
  const login = useLogin();
  const confirmation = useAction(ConfirmMutation);
  const resending = useAction(ResendMutation);
  const errors = confirmation.errors.length ? confirmation.errors : login.errors;
  async function send({ code = "" }: Record<string, string>) {
    const { payload } = await confirmation.run({ input: { email, code: code.trim() } });
    if (payload) await login.run(email, password);
  }
  async function sendAgain() {
    const { errors: refusals } = await resending.run({ input: { email } });
    announce(refusals[0]?.message ?? texts.resent);
  }
  return (
    <div className="narrow">
      <PageHeading key="confirm">{texts.codeTitle}</PageHeading>
      <p>{texts.codeHint(email)}</p>
      <Form errors={errors} fields={["code"]} onSend={send}>
        <CodeField errors={errors} />
        <button type="submit" className="button" disabled={confirmation.isRunning || login.isRunning}>
          {texts.confirm}
        </button>
      </Form>
      <button type="button" className="quiet" disabled={resending.isRunning} onClick={sendAgain}>
        {texts.resend}
      </button>
    </div>
  );
}

export function ResetPage() {
  const texts = useTexts();
  const navigate = useNavigate();
  const announce = useAnnounce();
  const request = useAction(ResetRequestMutation);
  const reset = useAction(ResetMutation);
  const [email, setEmail] = useState("");
  const { errors } = email ? reset : request;
  async function send(values: Record<string, string>) {
    if (!email) {
      const { payload } = await request.run({ input: { email: values.email ?? "" } });
      if (payload) setEmail(values.email ?? "");
      return;
    }
    const { code = "", newPassword = "" } = values;
    const { payload } = await reset.run({ input: { email, code: code.trim(), newPassword } });
    if (!payload) return;
    announce(texts.passwordSet);
    navigate("/login");
  }
  return (
    <div className="narrow">
      <PageHeading>{texts.resetTitle}</PageHeading>
      <Form key={email} errors={errors} fields={["email", "code", "newPassword"]} onSend={send}>
        {!email && <EmailField errors={errors} />}
        {email && <CodeField errors={errors} />}
        {email && (
          <Field
            label={texts.newPassword}
            path="newPassword"
            errors={errors}
            type="password"
            autoComplete="new-password"
          />
        )}
        <button type="submit" className="button" disabled={request.isRunning || reset.isRunning}>
          {email ? texts.setPassword : texts.sendCode}
        </button>
      </Form>
    </div>
  );
}
