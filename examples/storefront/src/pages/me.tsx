/** The pages of the account: profile, orders and addresses. */
import { useState } from "react";
import { Link, Navigate, NavLink, Outlet, useLocation } from "react-router";
import { useQuery } from "urql";
import { DELIVERY_FIELDS, DeliveryFields, readDelivery } from "../delivery";
import { AddressFragment, graphql, MeQuery } from "../graphql";
import { Failure, Field, Form, Loading, PageHeading, useAction, useAnnounce } from "../parts";
import { session, useIsLoggedIn } from "../store";
import { formatDate, formatMoney, useTexts } from "../texts";
import { AddressesQuery } from "./checkout";

const RevokeMutation = graphql(`mutation Logout { tokenRevoke { errors { code message field } } }`);
const UpdateMutation = graphql(`
  mutation AccountUpdate($input: AccountInput!) {
    accountUpdate(input: $input) { user { id name } errors { code message field } }
  }
`);
const OrdersQuery = graphql(`
  query Orders($after: String) {
    me {
      id
      orders(first: 20, after: $after) {
        nodes { id number status total currency placedAt }
        pageInfo { hasNextPage endCursor }
      }
    }
  }
`);
const CreateMutation = graphql(
  `
    mutation AddressCreate($input: SavedAddressInput!) {
      addressCreate(input: $input) { address { ...SavedAddress } errors { code message field } }
    }
  `,
  [AddressFragment],
);
const DeleteMutation = graphql(`
  mutation AddressDelete($id: ID!) { addressDelete(id: $id) { errors { code message field } } }
`);
const DefaultMutation = graphql(
  `
    mutation AddressSetDefault($id: ID!) {
      addressSetDefault(id: $id) { address { ...SavedAddress } errors { code message field } }
    }
  `,
  [AddressFragment],
);

/** The frame of these pages, for those who are logged in. */
export function AccountLayout() {
  const texts = useTexts();
  const isLoggedIn = useIsLoggedIn();
  const { pathname } = useLocation();
  if (!isLoggedIn) return <Navigate to={`/login?next=${pathname}`} replace />;
  return (
    <>
      <nav aria-label={texts.account} className="tabs">
        <NavLink to="/me" end>
          {texts.account}
        </NavLink>
        <NavLink to="/me/orders">{texts.orders}</NavLink>
        <NavLink to="/me/addresses">{texts.addresses}</NavLink>
      </nav>
      <Outlet />
    </>
  );
}

export function ProfilePage() {
  const texts = useTexts();
  const announce = useAnnounce();
  const [{ data, error, fetching }, retry] = useQuery({ query: MeQuery });
  const { errors, run, isRunning } = useAction(UpdateMutation);
  const revocation = useAction(RevokeMutation);
  if (error) return <Failure error={error} retry={() => retry({ requestPolicy: "network-only" })} />;
  if (fetching || !data?.me) return <Loading />;
  async function save({ name = "" }: Record<string, string>) {
    const { payload } = await run({ input: { name } });
    if (payload) announce(texts.saved);
  }
  async function logOut() {
    // The session ends on this device also if the shop does not respond.
    await revocation.run({});
    session.set(null);
  }
  return (
    <div className="narrow">
      <PageHeading>{texts.account}</PageHeading>
      <p>{texts.hello(data.me.name || data.me.email)}</p>
      <Form errors={errors} fields={["name"]} onSend={save}>
        <Field label={texts.name} path="name" errors={errors} defaultValue={data.me.name} autoComplete="name" />
        <button type="submit" disabled={isRunning}>
          {texts.save}
        </button>
      </Form>
      <button type="button" className="quiet" onClick={logOut}>
        {texts.logOut}
      </button>
    </div>
  );
}

export function OrdersPage() {
  const texts = useTexts();
  const [cursors, setCursors] = useState<(string | null)[]>([null]);
  return (
    <>
      <PageHeading>{texts.orders}</PageHeading>
      {cursors.map((after, index) => (
        <OrdersPart
          key={after}
          after={after}
          onMore={index === cursors.length - 1 ? (cursor) => setCursors([...cursors, cursor]) : undefined}
        />
      ))}
    </>
  );
}

function OrdersPart({ after, onMore }: { after: string | null; onMore?: (cursor: string) => void }) {
  const texts = useTexts();
  const [{ data, error, fetching }, retry] = useQuery({
    query: OrdersQuery,
    variables: { after },
    requestPolicy: "cache-and-network",
  });
  if (error) return <Failure error={error} retry={() => retry({ requestPolicy: "network-only" })} />;
  if (fetching || !data?.me) return <Loading />;
  const { nodes, pageInfo } = data.me.orders;
  if (!nodes.length && after === null) return <p>{texts.noOrders}</p>;
  const { hasNextPage, endCursor } = pageInfo;
  return (
    <>
      <ul className="orders">
        {nodes.map(({ id, number, status, total, currency, placedAt }) => (
          <li key={id}>
            <Link to={`/order/${number}`}>{texts.orderTitle(number)}</Link>
            <span className={`status status-${status.toLowerCase()}`}>{texts.statuses[status]}</span>
            <time dateTime={placedAt}>{formatDate(placedAt)}</time>
            <strong>{formatMoney(total, currency)}</strong>
          </li>
        ))}
      </ul>
      {onMore && hasNextPage && endCursor && (
        <button type="button" className="more" onClick={() => onMore(endCursor)}>
          {texts.showMore}
        </button>
      )}
    </>
  );
}

export function AddressesPage() {
  const texts = useTexts();
  const announce = useAnnounce();
  const [{ data, error, fetching }, retry] = useQuery({ query: AddressesQuery });
  const { errors, run, isRunning } = useAction(CreateMutation);
  const deletion = useAction(DeleteMutation);
  const choice = useAction(DefaultMutation);
  if (error) return <Failure error={error} retry={() => retry({ requestPolicy: "network-only" })} />;
  if (fetching || !data?.me) return <Loading />;
  const { addresses } = data.me;
  async function save(values: Record<string, string>) {
    const { payload } = await run({ input: { ...readDelivery(values), label: values.label ?? "" } });
    if (payload) announce(texts.saved);
  }
  return (
    <div className="narrow">
      <PageHeading>{texts.addresses}</PageHeading>
      {addresses.length === 0 && <p>{texts.noAddresses}</p>}
      <ul className="plain">
        {addresses.map(({ id, label, contact, deliveryAddress, isDefault }) => (
          <li key={id}>
            <span>
              {[label, contact.name, deliveryAddress.line1, deliveryAddress.city].filter(Boolean).join(", ")}{" "}
              {isDefault && <span className="badge">{texts.isDefault}</span>}
            </span>
            <span>
              {!isDefault && (
                <button type="button" className="quiet" onClick={() => choice.run({ id })}>
                  {texts.makeDefault}
                </button>
              )}
              <button type="button" className="quiet" onClick={() => deletion.run({ id })}>
                {texts.delete}
              </button>
            </span>
          </li>
        ))}
      </ul>
      <Form key={addresses.length} errors={errors} fields={["label", ...DELIVERY_FIELDS]} onSend={save}>
        <DeliveryFields errors={errors} />
        <Field label={texts.label} path="label" errors={errors} isOptional />
        <button type="submit" disabled={isRunning}>
          {texts.addAddress}
        </button>
      </Form>
    </div>
  );
}
