// A QR code drawn from the server's squares: never an image file, never a request to anywhere.
import type { JSX } from "preact";

const QUIET = 4; // squares of white around it, as the standard asks

export function QrCode({ squares, label }: { squares: readonly string[]; label: string }): JSX.Element {
  const size = squares.length + 2 * QUIET;
  let path = "";
  squares.forEach((row, y) => {
    [...row].forEach((square, x) => {
      if (square === "1") path += `M${x + QUIET} ${y + QUIET}h1v1h-1z`;
    });
  });
  return (
    <svg class="qr" viewBox={`0 0 ${size} ${size}`} role="img" aria-label={label} shape-rendering="crispEdges">
      <rect width={size} height={size} fill="#fff" />
      <path d={path} fill="#000" />
    </svg>
  );
}
