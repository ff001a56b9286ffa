/** The fields of a contact and of an address. */
import { useId } from "react";
import type { UserError } from "./graphql";
import { Field } from "./parts";
import { useTexts } from "./texts";

const ADDRESS_FIELDS = ["line1", "line2", "city", "postalCode", "country"];
export const DELIVERY_FIELDS = [
  "contact.name",
  "contact.phone",
  ...ADDRESS_FIELDS.map((name) => `deliveryAddress.${name}`),
];

export function DeliveryFields({ errors }: { errors: readonly UserError[] }) {
  const texts = useTexts();
  const country = useId();
  return (
    <>
      <fieldset>
        <legend>{texts.contact}</legend>
        <Field label={texts.name} path="contact.name" errors={errors} autoComplete="name" />
        <Field label={texts.phone} path="contact.phone" errors={errors} type="tel" autoComplete="tel" />
      </fieldset>
      <fieldset>
        <legend>{texts.delivery}</legend>
        <Field label={texts.line1} path="deliveryAddress.line1" errors={errors} autoComplete="address-line1" />
        <Field
          label={texts.line2}
          path="deliveryAddress.line2"
          errors={errors}
          autoComplete="address-line2"
          isOptional
        />
        <Field label={texts.city} path="deliveryAddress.city" errors={errors} autoComplete="address-level2" />
        <Field label={texts.postalCode} path="deliveryAddress.postalCode" errors={errors} autoComplete="postal-code" />
        <div className="field">
          <label htmlFor={country}>{texts.country}</label>
          <select id={country} name="deliveryAddress.country" autoComplete="country">
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
  return {
    contact: { name: values["contact.name"] ?? "", phone: values["contact.phone"] ?? "" },
    deliveryAddress: {
      line1: values["deliveryAddress.line1"] ?? "",
      line2: values["deliveryAddress.line2"] ?? "",
      city: values["deliveryAddress.city"] ?? "",
      postalCode: values["deliveryAddress.postalCode"] ?? "",
      country: values["deliveryAddress.country"] ?? "",
    },
  };
}
