import { short } from "./statistics.ts";

export interface Series {
  name: string;
  points: [x: number, y: number][];
}

export interface PlotDescription {
  title: string;
  xTitle: string;
  yTitle: string;
  series: readonly Series[];
}

const [width, height] = [720, 360];
const frame = { left: 70, right: 150, top: 44, bottom: 52 };
/** Told apart by people who see few colours, and in grey by their order. */
const colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00"];

/** Lines over a logarithmic x axis and a y axis from zero, as an SVG that reads on light and on dark pages. */
export function renderPlot({ title, xTitle, yTitle, series }: PlotDescription): string {
  const xs = [...new Set(series.flatMap(({ points }) => points.map(([x]) => x)))].sort((a, b) => a - b);
  const top = niceCeiling(Math.max(...series.flatMap(({ points }) => points.map(([, y]) => y))));
  const [low, high] = [Math.log(xs[0] ?? 1), Math.log(xs.at(-1) ?? 1)];
  const inner = { width: width - frame.left - frame.right, height: height - frame.top - frame.bottom };
  const atX = (x: number) =>
    frame.left + (high === low ? 0.5 : (Math.log(x) - low) / (high - low)) * inner.width;
  const atY = (y: number) => frame.top + (1 - y / top) * inner.height;
  const text = (x: number, y: number, words: string, more = "") =>
    `<text x="${round(x)}" y="${round(y)}" ${more}>${escaped(words)}</text>`;
  const grid = [0, 0.25, 0.5, 0.75, 1].flatMap((share) => [
    `<path d="M${frame.left} ${round(atY(share * top))}h${inner.width}" stroke="#8884"/>`,
    text(frame.left - 8, atY(share * top) + 4, short(share * top), 'text-anchor="end"'),
  ]);
  const ticks = xs.map((x) => text(atX(x), height - frame.bottom + 18, String(x), 'text-anchor="middle"'));
  const lines = series.flatMap(({ name, points }, index) => {
    const colour = colours[index % colours.length];
    const sorted = points.toSorted(([a], [b]) => a - b);
    const path = sorted
      .map(([x, y], n) => `${n === 0 ? "M" : "L"}${round(atX(x))} ${round(atY(y))}`)
      .join("");
    const legend = frame.top + 12 + index * 20;
    return [
      `<path d="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`,
      ...sorted.map(
        ([x, y]) => `<circle cx="${round(atX(x))}" cy="${round(atY(y))}" r="3.5" fill="${colour}"/>`,
      ),
      `<path d="M${width - frame.right + 16} ${legend - 4}h18" stroke="${colour}" stroke-width="3"/>`,
      text(width - frame.right + 40, legend, name),
    ];
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12" fill="#888" role="img">`,
    `<title>${escaped(title)}</title>`,
    text(frame.left, 24, title, 'font-size="15"'),
    ...grid,
    ...ticks,
    text(frame.left + inner.width / 2, height - 12, xTitle, 'text-anchor="middle"'),
    text(16, frame.top - 8, yTitle),
    ...lines,
    "</svg>",
    "",
  ].join("\n");
}

/** The next of 1, 2, 2.5, 5 times a power of ten. */
export function niceCeiling(value: number): number {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 2.5, 5, 10].find((step) => step * power >= value) ?? 10) * power || 1;
}

const round = (value: number) => Number(value.toFixed(1));
const escaped = (words: string) => words.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
