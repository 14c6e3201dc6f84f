import mark from "../icon.svg";

export function Logo({ size = 26 }: { size?: number }) {
  return <img src={mark} width={size} height={size} alt="" class="logo" />;
}
