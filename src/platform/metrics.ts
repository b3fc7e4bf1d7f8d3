/** The labels of one series, by name: `{ port: "67", type: "DHCPDISCOVER" }`. */
export type SeriesLabels<Name extends string> = Readonly<Record<Name, string>>;

export interface Counter<Name extends string = never> {
  add(labels: SeriesLabels<Name>, by?: number): void;
}

export interface Histogram<Name extends string = never> {
  observe(labels: SeriesLabels<Name>, value: number): void;
}

export interface Reading<Name extends string = never> {
  labels: SeriesLabels<Name>;
  value: number;
}

/** What is measured in one process, shown in the Prometheus text format 0.0.4. Names and label names are ours alone. */
export interface Metrics {
  counter<Name extends string = never>(name: string, help: string, labels?: readonly Name[]): Counter<Name>;
  histogram<Name extends string = never>(
    name: string,
    help: string,
    buckets: readonly number[],
    labels?: readonly Name[],
  ): Histogram<Name>;
  /** Something that is counted elsewhere, read when it is asked for: `read` must be cheap. */
  reading<Name extends string = never>(
    kind: "gauge" | "counter",
    name: string,
    help: string,
    read: () => Iterable<Reading<Name>>,
  ): void;
  render(): string;
}

export const metricsContentType = "text/plain; version=0.0.4; charset=utf-8";

/** Series of one metric; what comes after shares one whose labels all say `other`. */
const maxSeries = 1000;

export function createMetrics(): Metrics {
  const families = new Map<string, () => string>();

  function family(name: string, help: string, kind: string, lines: () => Iterable<string>): void {
    if (families.has(name)) throw new RangeError(`there is a metric ${name} already`);
    families.set(name, () =>
      [`# HELP ${name} ${escapeHelp(help)}`, `# TYPE ${name} ${kind}`, ...lines()].join("\n"),
    );
  }

  return {
    counter(name, help, labels = []) {
      const series = createSeries(labels, () => ({ value: 0 }));
      if (labels.length === 0) series.of({});
      family(name, help, "counter", () => series.map((text, { value }) => `${name}${text} ${value}`));
      return {
        add(of, by = 1) {
          series.of(of).value += by;
        },
      };
    },
    histogram(name, help, buckets, labels = []) {
      const series = createSeries(labels, () => ({
        counts: new Array<number>(buckets.length).fill(0),
        sum: 0,
        count: 0,
      }));
      family(name, help, "histogram", () =>
        series.map((text, { counts, sum, count }) => {
          let below = 0;
          const lines = buckets.map((bound, index) => {
            below += counts[index] ?? 0;
            return `${name}_bucket${withLabel(text, "le", String(bound))} ${below}`;
          });
          lines.push(`${name}_bucket${withLabel(text, "le", "+Inf")} ${count}`);
          lines.push(`${name}_sum${text} ${sum}`, `${name}_count${text} ${count}`);
          return lines.join("\n");
        }),
      );
      return {
        observe(of, value) {
          const one = series.of(of);
          const index = buckets.findIndex((bound) => value <= bound);
          if (index >= 0) one.counts[index] = (one.counts[index] ?? 0) + 1;
          one.sum += value;
          one.count++;
        },
      };
    },
    reading(kind, name, help, read) {
      family(name, help, kind, () =>
        [...read()].slice(0, maxSeries).map(({ labels, value }) => `${name}${formatLabels(labels)} ${value}`),
      );
    },
    render: () => `${[...families.values()].map((render) => render()).join("\n")}\n`,
  };
}

interface Series<Value> {
  of(labels: Readonly<Record<string, string>>): Value;
  map(line: (labels: string, value: Value) => string): string[];
}

function createSeries<Value>(names: readonly string[], create: () => Value): Series<Value> {
  // By the labels' values alone: they are written as text once, not each time something is counted.
  const series = new Map<string, { text: string; value: Value }>();
  const other = Object.fromEntries(names.map((name) => [name, "other"]));
  const keyOf = (labels: Readonly<Record<string, string>>) => {
    let key = "";
    for (const name of names) key += `${labels[name] ?? ""}\0`;
    return key;
  };
  const make = (key: string, labels: Readonly<Record<string, string>>) => {
    const made = { text: formatLabels(labels), value: create() };
    series.set(key, made);
    return made;
  };
  return {
    of(labels) {
      const key = keyOf(labels);
      const known = series.get(key);
      if (known !== undefined) return known.value;
      if (series.size < maxSeries) return make(key, labels).value;
      const rest = keyOf(other);
      return (series.get(rest) ?? make(rest, other)).value;
    },
    map: (line) => [...series.values()].map(({ text, value }) => line(text, value)),
  };
}

function formatLabels(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

const withLabel = (text: string, name: string, value: string) =>
  text === "" ? `{${name}="${value}"}` : `${text.slice(0, -1)},${name}="${value}"}`;

const escapeHelp = (text: string) => text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
const escapeLabel = (text: string) => escapeHelp(text).replaceAll('"', '\\"');
