const WIDTH = 264;
const HEIGHT = 88;
const SHOWN = 60;

/** Milliseconds over the last two minutes, the newest at the right. */
export function LatencyChart({ samples }: { samples: readonly number[] }) {
  if (samples.length === 0) return <p className="muted" data-testid="latency-chart" data-samples={0}>Not measured yet.</p>;
  const top = ceiling(Math.max(...samples));
  const now = samples.at(-1)!;
  const points = samples.map((value, index) => [WIDTH - 6 - (samples.length - 1 - index) * ((WIDTH - 12) / (SHOWN - 1)), 6 + (HEIGHT - 12) * (1 - value / top)] as const);
  const line = points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(' ');
  const [lastX, lastY] = points.at(-1)!;
  const median = [...samples].sort((a, b) => a - b)[Math.floor(samples.length / 2)]!;

  return (
    <figure data-testid="latency-chart" data-samples={samples.length}>
      <svg className="chart" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={`Round trip: now ${round(now)}, median ${round(median)}`}>
        <rect className="frame" width={WIDTH} height={HEIGHT} rx="8" />
        {[0.25, 0.5, 0.75].map((part) => <line key={part} className="grid" x1="0" x2={WIDTH} y1={HEIGHT * part} y2={HEIGHT * part} />)}
        <polygon className="area" points={`${points[0]![0].toFixed(1)},${HEIGHT - 6} ${line} ${lastX.toFixed(1)},${HEIGHT - 6}`} />
        <polyline className="line" points={line} />
        <circle className="now" cx={lastX} cy={lastY} r="3" />
        <text x="8" y="15">{top} ms</text>
      </svg>
      <dl className="facts">
        <dt>Now</dt><dd>{round(now)}</dd>
        <dt>Median</dt><dd>{round(median)}</dd>
      </dl>
    </figure>
  );
}

/** The next 1, 2 or 5 with zeros. */
function ceiling(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return power * ([1, 2, 5, 10].find((step) => step * power >= value) ?? 10);
}

const round = (value: number): string => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
