/** Forms with the errors of their mutation beside the fields. */
import { type ComponentProps, createContext, type ReactNode, use, useEffect, useId, useRef } from "react";
import type { Action } from "./actions";
import type { UserError } from "./graphql";
import { Notice } from "./parts";
import { useTexts } from "./texts";

const ErrorsContext = createContext<readonly UserError[]>([]);

/** Whether the field of an error ends with the names of a path. */
function isAbout({ field }: UserError, path: string): boolean {
  return !!field && `.${field.join(".")}`.endsWith(`.${path}`);
}

const optional = ["line2", "comment", "label"];

/** An input with its label, named like the end of `path`, and the errors about it. `path` is the end of their field. */
export function Field({ path, label, ...input }: { path: string; label?: string } & ComponentProps<"input">) {
  const texts = useTexts();
  const id = useId();
  const name = path.split(".").at(-1) as "name";
  const errors = use(ErrorsContext).filter((error) => isAbout(error, path));
  const hasErrors = errors.length > 0 || undefined;
  return (
    <div className="field">
      <label htmlFor={id}>
        {label ?? texts[name]} {optional.includes(name) && <small>({texts.optional})</small>}
      </label>
      <input id={id} name={path} aria-invalid={hasErrors} aria-describedby={hasErrors && `${id}-error`} {...input} />
      {hasErrors && (
        <p id={`${id}-error`} className="field-error">
          {errors.map(({ message }) => message).join(" ")}
        </p>
      )}
    </div>
  );
}

type FormProps = {
  action: Action;
  fields: string[];
  submit?: string;
  takesFocus?: boolean;
  className?: string;
  onSend: (values: Record<string, string>) => void;
  children: ReactNode;
};

/** A form that passes its values to `onSend`, with the errors that belong to none of its fields. */
export function Form({ action, fields, submit, takesFocus, className, onSend, children }: FormProps) {
  const { errors, isRunning } = action;
  const form = useRef<HTMLFormElement>(null);
  const others = errors.filter((error) => !fields.some((path) => isAbout(error, path)));
  useEffect(() => {
    if (errors.length) form.current?.querySelector<HTMLElement>("[aria-invalid], [role=alert]")?.focus();
  }, [errors]);
  useEffect(() => {
    if (takesFocus) form.current?.querySelector("input")?.focus();
  }, [takesFocus]);
  return (
    <form
      ref={form}
      noValidate
      className={className ?? "form card"}
      onSubmit={(event) => {
        event.preventDefault();
        onSend(Object.fromEntries(new FormData(event.currentTarget)) as Record<string, string>);
      }}>
      <Notice messages={others} className="notice notice-error" />
      <ErrorsContext value={errors}>{children}</ErrorsContext>
      {submit && (
        <button type="submit" className="button" disabled={isRunning}>
          {submit}
        </button>
      )}
    </form>
  );
}
