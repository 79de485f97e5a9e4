/** Pictures that the user gives: a file, a drop, a paste or the camera's. They live as long as the page. */

import { AskError, pictureAddress } from "./api.js";

const SIDE = 1024; // pixels: the models look at squares of a few hundred
const SMALL = 1_000_000; // bytes: sent as it is

const kept = new Map();

/** Keep a file as a reference. Rejects with a sentence where it is no picture. */
export async function take(file) {
  if (file.type && !file.type.startsWith("image/")) {
    throw new AskError(`${file.name} is not a picture. Choose a JPEG, PNG or WebP file.`);
  }
  const blob = await scaled(file);
  const upload = `${Date.now()}-${kept.size}`;
  kept.set(upload, { source: URL.createObjectURL(blob), base64: await base64(blob) });
  return { upload, name: file.name || "pasted picture" };
}

/** Where a reference's picture is; null of one that a reload has taken away. */
export function sourceOf(reference) {
  return "image" in reference ? pictureAddress(reference.image) : (kept.get(reference.upload)?.source ?? null);
}

/** Whether a reference was the user's own and is gone, because the page was loaded again. */
export const isLost = (reference) => reference !== null && sourceOf(reference) === null;

/** What a reference is called. */
export const nameOf = (reference) => ("image" in reference ? reference.image : reference.name);

/** The fields of a question that name its picture. */
export function asked(reference) {
  return "image" in reference
    ? { image_id: reference.image }
    : { image: kept.get(reference.upload).base64 };
}

/** A photograph of today's telephones is 20 times what the model sees: scale it before it is sent. */
async function scaled(file) {
  const picture = await decoded(file);
  if (!picture) return file; // a format that only the server may know
  const factor = SIDE / Math.min(picture.width, picture.height);
  if (file.size <= SMALL || factor >= 1) return file;
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(picture.width * factor);
  canvas.height = Math.round(picture.height * factor);
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#fff"; // below transparency, as the server does
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.imageSmoothingQuality = "high";
  pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob((blob) => resolve(blob ?? file), "image/jpeg", 0.92));
}

async function decoded(file) {
  try {
    return await createImageBitmap(file);
  } catch {
    return null;
  }
}

function base64(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(new AskError("The picture cannot be read. Choose it again."));
    reader.readAsDataURL(blob);
  });
}
