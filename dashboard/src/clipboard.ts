import { toast, toastError } from "./components/toast";

/** Put `text` on the clipboard and say so: "Copied the id". Works on plain HTTP as well, where browsers hide the clipboard. */
export async function copyText(text: string, what: string): Promise<void> {
  try {
    if (navigator.clipboard) await navigator.clipboard.writeText(text);
    else copyBySelection(text);
    toast(`Copied ${what}`);
  } catch (error) {
    toastError(error);
  }
}

function copyBySelection(text: string): void {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("The browser did not let this page use the clipboard.");
}
