/** Values in localStorage, shared by all tabs: the session, the guest's token and the language. */
import { useSyncExternalStore } from "react";

export type Session = { accessToken: string; refreshToken: string; expiresAt: number };
export type Language = "en" | "ru";

/** A value in localStorage under one key, with the components that show it. */
class Stored<T> {
  #key: string;
  #raw: string | null = null;
  #value: T | null = null;
  #listeners = new Set<() => void>();

  constructor(key: string) {
    this.#key = `lavka.${key}`;
    window.addEventListener("storage", (event) => {
      if (event.key === this.#key || event.key === null) this.#notify();
    });
  }

  get = (): T | null => {
    const raw = localStorage.getItem(this.#key);
    // useSyncExternalStore compares by identity, so the same text must be the same object.
    if (raw !== this.#raw) {
      this.#raw = raw;
      this.#value = raw === null ? null : (JSON.parse(raw) as T);
    }
    return this.#value;
  };

  set(value: T | null): void {
    if (value === null) localStorage.removeItem(this.#key);
    else localStorage.setItem(this.#key, JSON.stringify(value));
    this.#notify();
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  #notify(): void {
    for (const listener of this.#listeners) listener();
  }
}

export const session = new Stored<Session>("session");
export const cartToken = new Stored<string>("cart-token");
export const language = new Stored<Language>("language");

/** Whether somebody is logged in. */
export function useIsLoggedIn(): boolean {
  return useSyncExternalStore(session.subscribe, session.get) !== null;
}

/** Render again when the language changes. */
export function useLanguage(): void {
  useSyncExternalStore(language.subscribe, language.get);
}

/** The chosen language, else the first one that the browser prefers and the shop has. */
export function getLanguage(): Language {
  const preferred = navigator.languages.map((tag) => tag.slice(0, 2)).find((tag) => tag === "ru" || tag === "en");
  return language.get() ?? (preferred as Language | undefined) ?? "en";
}
