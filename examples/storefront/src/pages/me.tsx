/** The pages of the account: its frame, profile, orders and addresses. */
import { useState } from "react";
import { Link, Navigate, NavLink, Outlet } from "react-router";
import { useQuery } from "urql";
import { useAction, useAnnounce } from "../actions";
import { type Address, AddressesQuery, DeliveryFields, FIELD_PATHS, formatDelivery, readDelivery } from "../delivery";
import { Field, Form } from "../form";
import { AddressPayloadFragment, graphql, MeQuery } from "../graphql";
import { Empty, Money, Heading, Quiet, useLoginPath, usePage, Waiting } from "../parts";
import { session, useIsLoggedIn } from "../store";
import { formatDate, useTexts } from "../texts";

const RevokeMutation = graphql(`mutation Logout { tokenRevoke { errors { code message field } } }`);
const UpdateMutation = graphql(`
  mutation AccountUpdate($input: AccountInput!) {
    accountUpdate(input: $input) { user { id name } errors { code message field } }
  }
`);
const OrdersQuery = graphql(`
  query Orders($after: String) {
    me { id orders(first: 20, after: $after) {
      nodes { id number status total currency placedAt } pageInfo { hasNextPage endCursor }
    } }
  }
`);
const CreateMutation = graphql(
  `mutation AddressCreate($input: SavedAddressInput!) { addressCreate(input: $input) { ...AddressPayload } }`,
  [AddressPayloadFragment],
);
const AddressUpdateMutation = graphql(
  `mutation AddressUpdate($input: SavedAddressUpdateInput!) { addressUpdate(input: $input) { ...AddressPayload } }`,
  [AddressPayloadFragment],
);
const DeleteMutation = graphql(`mutation AddressDelete($id: ID!) { addressDelete(id: $id) { ...AddressPayload } }`, [
  AddressPayloadFragment,
]);
const DefaultMutation = graphql(
  `mutation AddressSetDefault($id: ID!) { addressSetDefault(id: $id) { ...AddressPayload } }`,
  [AddressPayloadFragment],
);

/** The frame of these pages, for those who are logged in. */
export function AccountLayout() {
  const texts = useTexts();
  const isLoggedIn = useIsLoggedIn();
  const loginPath = useLoginPath();
  if (!isLoggedIn) return <Navigate to={loginPath} replace />;
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
  const { data, waiting } = usePage({ query: MeQuery });
  const update = useAction(UpdateMutation);
  const revocation = useAction(RevokeMutation);
  if (!data?.me) return waiting;
  const { name, email } = data.me;
  async function save(values: Record<string, string>) {
    const { payload } = await update.run({ input: { name: values.name ?? "" } });
    if (payload) announce(texts.saved);
  }
  async function logOut() {
    // The session ends on this device also if the shop does not respond.
    await revocation.run({});
    session.set(null);
  }
  return (
    <div className="narrow">
      <Heading>{texts.hello(name || email)}</Heading>
      <Form action={update} fields={["name"]} submit={texts.save} onSend={save}>
        <Field path="email" defaultValue={email} readOnly />
        <Field path="name" defaultValue={name} autoComplete="name" />
      </Form>
      <Quiet onClick={logOut}>{texts.logOut}</Quiet>
    </div>
  );
}

export function OrdersPage() {
  const texts = useTexts();
  const [after, setAfter] = useState<string | null>(null);
  const query = { query: OrdersQuery, variables: { after }, requestPolicy: "cache-and-network" } as const;
  const [{ data, error, fetching }, refetch] = useQuery(query);
  // The cache joins the pages.
  const { nodes, pageInfo } = data?.me?.orders ?? {};
  if (nodes?.length === 0) return <Empty title={texts.orders}>{texts.noOrders}</Empty>;
  return (
    <div className="narrow">
      <Heading>{texts.orders}</Heading>
      <ul className="orders">
        {nodes?.map((order) => (
          <li key={order.id} className="card">
            <Link to={`/order/${order.number}`}>{texts.orderTitle(order.number)}</Link>
            <span className={`status status-${order.status.toLowerCase()}`}>{texts.statuses[order.status]}</span>
            <time dateTime={order.placedAt}>{formatDate(order.placedAt)}</time>
            <strong>
              <Money amount={order.total} of={order} />
            </strong>
          </li>
        ))}
      </ul>
      {(error || !nodes) && <Waiting error={error} refetch={refetch} />}
      {pageInfo?.hasNextPage && (
        <button type="button" className="more" disabled={fetching} onClick={() => setAfter(pageInfo.endCursor)}>
          {texts.showMore}
        </button>
      )}
    </div>
  );
}

export function AddressesPage() {
  const texts = useTexts();
  const announce = useAnnounce();
  const { data, waiting } = usePage({ query: AddressesQuery });
  const creation = useAction(CreateMutation);
  const update = useAction(AddressUpdateMutation);
  const deletion = useAction(DeleteMutation);
  const choice = useAction(DefaultMutation);
  const [edited, setEdited] = useState<Address | null>(null);
  if (!data?.me) return waiting;
  const { addresses } = data.me;

  async function save({ label = "", ...values }: Record<string, string>) {
    const input = { ...readDelivery(values), label };
    const { payload } = await (edited ? update.run({ input: { ...input, id: edited.id } }) : creation.run({ input }));
    if (!payload) return;
    setEdited(null);
    announce(texts.saved);
  }
  async function change({ run }: typeof deletion | typeof choice, { id }: Address) {
    const { errors } = await run({ id });
    announce(errors[0]?.message ?? texts.saved);
    if (id === edited?.id) setEdited(null);
  }

  return (
    <div className="narrow">
      <Heading>{texts.addresses}</Heading>
      <ul className="addresses">
        {addresses.map((address) => (
          <li key={address.id} className="card">
            <p>
              {address.label && <strong>{address.label} </strong>}
              {address.isDefault && <span className="badge">{texts.isDefault}</span>}
            </p>
            <p>{formatDelivery(address)}</p>
            {!address.isDefault && <Quiet onClick={() => change(choice, address)}>{texts.makeDefault}</Quiet>}
            <Quiet onClick={() => setEdited(address)}>{texts.edit}</Quiet>
            <Quiet onClick={() => confirm(texts.deleteQuestion) && change(deletion, address)}>{texts.remove}</Quiet>
          </li>
        ))}
      </ul>
      <h2>{edited ? texts.editAddress : texts.newAddress}</h2>
      <Form
        key={edited?.id ?? addresses.length}
        action={edited ? update : creation}
        fields={["label", ...FIELD_PATHS]}
        takesFocus={!!edited}
        submit={texts.save}
        onSend={save}>
        <Field path="label" defaultValue={edited?.label} />
        <DeliveryFields saved={edited} />
        {edited && <Quiet onClick={() => setEdited(null)}>{texts.cancel}</Quiet>}
      </Form>
    </div>
  );
}
