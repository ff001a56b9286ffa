/** Values in localStorage, shared by all tabs: the session, the guest's token and the language. */
import { useSyncExternalStore } from "react";

export type Session = { accessToken: string; refreshToken: string; expiresAt: number };
export type Language = "en" | "ru";

/** Call a listener after each change, by this tab or another. */
function subscribe(listener: () => void): () => void {
  addEventListener("storage", listener);
  return () => removeEventListener("storage", listener);
}

/** A value under a name. What people, extensions and older versions have left there in another form is ignored. */
function stored<Value>(name: string, isValid: (value: Value) => boolean) {
  const key = `lavka.${name}`;
  return {
    get(): Value | null {
      try {
        const value = JSON.parse(localStorage.getItem(key) ?? "null") as Value | null;
        return value !== null && isValid(value) ? value : null;
      } catch {
        return null;
      }
    },
    set(value: Value | null): void {
      if (value === null) localStorage.removeItem(key);
      else localStorage.setItem(key, JSON.stringify(value));
      // Browsers send this event to the other tabs only.
      dispatchEvent(new Event("storage"));
    },
  };
}

export const session = stored<Session>("session", ({ accessToken, refreshToken }) => !!accessToken && !!refreshToken);
export const cartToken = stored<string>("cart-token", (token) => /^[\w-]{43}$/.test(token));
export const language = stored<Language>("language", (code) => code === "en" || code === "ru");
// Of the cart, the wishlist or the account.
export const lastChange = stored<number>("last-change", Number.isFinite);

/** Call a listener after each change that another tab has sent to the shop. Return a function that ends this. */
export function listenToOtherTabs(listener: () => void): () => void {
  const handle = ({ key }: StorageEvent) => key === "lavka.last-change" && listener();
  addEventListener("storage", handle);
  return () => removeEventListener("storage", handle);
}

/** Whether somebody is logged in. */
export const useIsLoggedIn = () => useSyncExternalStore(subscribe, () => session.get() !== null);

/** Return the language, and render again when it changes. */
export const useLanguage = () => useSyncExternalStore(subscribe, getLanguage);

/** The chosen language, else the first one that the browser prefers and the shop has. */
export function getLanguage(): Language {
  const preferred = navigator.languages.map((tag) => tag.slice(0, 2)).find((tag) => tag === "ru" || tag === "en");
  return language.get() ?? (preferred as Language | undefined) ?? "en";
}
