/** The fields of a contact and of an address, and the saved addresses. */
import { useId } from "react";
import { Field } from "./form";
import { AddressFragment, graphql, type ResultOf } from "./graphql";
import { useTexts } from "./texts";

export const AddressesQuery = graphql(`query Addresses { me { id addresses { ...SavedAddress } } }`, [AddressFragment]);
export type Address = ResultOf<typeof AddressFragment>;
// The names by which browsers know the fields.
const CONTACT = { name: "name", phone: "tel" } as const;
const PLACE = { line1: "address-line1", line2: "address-line2", city: "address-level2", postalCode: "postal-code" };
const keys = <Name extends string>(names: Record<Name, string>) => Object.keys(names) as Name[];
const contactPaths = keys(CONTACT).map((name) => `contact.${name}`);
const placePaths = [...keys(PLACE), "country"].map((name) => `deliveryAddress.${name}`);
export const FIELD_PATHS = [...contactPaths, ...placePaths];

/** The fields, filled with a saved address if there is one. */
export function DeliveryFields({ saved }: { saved?: Address | null }) {
  const texts = useTexts();
  const country = useId();
  const contact = saved && { name: saved.contact.name, phone: saved.contact.phoneAsTyped };
  const place = saved?.deliveryAddress;
  return (
    <>
      <fieldset>
        <legend>{texts.contact}</legend>
        {keys(CONTACT).map((name) => (
          <Field key={name} path={`contact.${name}`} autoComplete={CONTACT[name]} defaultValue={contact?.[name]} />
        ))}
      </fieldset>
      <fieldset>
        <legend>{texts.delivery}</legend>
        {keys(PLACE).map((name) => (
          <Field key={name} path={`deliveryAddress.${name}`} autoComplete={PLACE[name]} defaultValue={place?.[name]} />
        ))}
        <div className="field">
          <label htmlFor={country}>{texts.country}</label>
          <select id={country} name="deliveryAddress.country" autoComplete="country" defaultValue={place?.country}>
            {Object.entries(texts.countries).map(([code, name]) => (
              <option key={code} value={code}>
                {name}
              </option>
            ))}
          </select>
        </div>
      </fieldset>
    </>
  );
}

/** Return the contact and the address in the values of a form. */
export function readDelivery(values: Record<string, string>) {
  const read = <Name extends string>(group: string, names: Name[]) =>
    Object.fromEntries(names.map((name) => [name, values[`${group}.${name}`] ?? ""])) as Record<Name, string>;
  return {
    contact: read("contact", keys(CONTACT)),
    deliveryAddress: read("deliveryAddress", [...keys(PLACE), "country"]),
  };
}

/** Join the parts of a contact and an address that are not empty. */
export function formatDelivery({ contact, deliveryAddress }: Pick<Address, "contact" | "deliveryAddress">) {
  const { postalCode, city, line1, line2 } = deliveryAddress;
  return [contact.name, contact.phone, line1, line2, city, postalCode].filter(Boolean).join(", ");
}
