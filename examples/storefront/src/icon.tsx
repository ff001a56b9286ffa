const PATHS = {
  basket: "M3 9h18l-2 11H5zM8 9l3-6M16 9l-3-6",
  close: "M6 6l12 12M18 6 6 18",
  expand: "m6 9 6 6 6-6",
  heart: "M12 20.5 4.6 13a5 5 0 0 1 7.1-7l.3.3.3-.3a5 5 0 0 1 7.1 7z",
  menu: "M3 6h18M3 12h18M3 18h18",
  person: "M12 12a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM4 21a8 8 0 0 1 16 0",
  search: "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM15.5 15.5 21 21",
};

export type IconName = keyof typeof PATHS;

/** A decoration: the text beside it, or a label, says the same. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg viewBox="0 0 24 24" className="icon" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
